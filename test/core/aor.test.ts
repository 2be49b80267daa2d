import { describe, expect, it } from 'vitest';
import { aorOf, parseAor } from '../../plugin/core/aor.ts';

describe('an account', () => {
  it.each(['1001', '+4930123456', '7', '*97', '#5', 'a.b', 'x_y-z', 'Ada', '50%', 'a%b'])('%s is one', (id) =>
    expect(aorOf(id, 'Example.com')).toBe(`${id}@example.com`),
  );

  it.each(['', ' ', 'a b', 'a,b', 'a&b', 'a/b', 'a;b', 'a(b', '${X}', 'a"b', 'a\nb', 'x'.repeat(129)])(
    '%j is none',
    (id) => expect(aorOf(id, 'example.com')).toBeUndefined(),
  );

  it('of another realm keeps it', () => expect(aorOf('1001@Other.example', 'example.com')).toBe('1001@other.example'));
  it('needs a realm', () => expect(parseAor('1001')).toBeUndefined());
});
