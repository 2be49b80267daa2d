/** What becomes of a link of the documentation on its site. The site itself is read in a browser by `npm run test:site`. */
import { describe, expect, it } from 'vitest';
import { forSite } from '../../config/site/pages.ts';

const SOURCES = 'https://code.example.org/pushwake';

describe('a link on the site', () => {
  it.each([
    ['to a page beside it', 'docs/index.md', '[a](limits.md#calls)', '[a](limits.md#calls)'],
    ['to a decision', 'docs/limits.md', '[a](adr/0050-the-row-that-stays.md)', '[a](adr/0050-the-row-that-stays.md)'],
    ['from a decision', 'docs/adr/0050-the-row-that-stays.md', '[a](../limits.md)', '[a](../limits.md)'],
    ['to all decisions', 'docs/index.md', '[a](adr/)', '[a](adr/index.md)'],
    ['to a page of the project', 'docs/index.md', '[a](../CONTRIBUTING.md)', '[a](project/CONTRIBUTING.md)'],
    ['from a page of the project', 'README.md', '[a](docs/limits.md)', '[a](../limits.md)'],
    ['between pages of the project', 'README.md', '[a](SECURITY.md#x)', '[a](SECURITY.md#x)'],
    ['to its own page', 'README.md', '[a](#why)', '[a](#why)'],
    ['to another host', 'README.md', '[a](https://example.org/x.md)', '[a](https://example.org/x.md)'],
    ['a picture', 'README.md', '![a](docs/screenshots/now.png)', '![a](../screenshots/now.png)'],
    ['around a picture', 'README.md', '[![a](docs/x.png)](docs/limits.md)', '[![a](docs/x.png)](../limits.md)'],
    ['in code', 'README.md', '`[a](docs/limits.md)`', '`[a](docs/limits.md)`'],
    ['in a block', 'README.md', '```\n[1001](account)\n```', '```\n[1001](account)\n```'],
    ['with code as its text', 'docs/x.md', '[`a`](../README.md)', '[`a`](project/README.md)'],
    ['to a source', 'docs/x.md', '[a](../plugin/main.ts)', `[a](${SOURCES}/plugin/main.ts)`],
  ])('%s', (_what, page, before, after) => expect(forSite(before, page, SOURCES)).toBe(after));

  it('to a source, where no place of the sources is known, is its text', () => {
    expect(forSite('see [a](../plugin/main.ts).', 'docs/x.md', undefined)).toBe('see a.');
  });
});
