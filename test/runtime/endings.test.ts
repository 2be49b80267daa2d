/**
 * Every way a call can end for a phone, and what is said of it: by `explain` and the page (one text), in the event `missed`, in
 * PUSHWAKE_STATUS. `docs/endings.md` is written from this table (UPDATE_DOCS=1).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type Explanation, explainCall } from '../../plugin/core/explain.ts';
import { tellingsOfCall } from '../../plugin/runtime/webhooks/words.ts';
import { AOR } from '../support/builders.ts';
import { WaitingSite } from '../support/waiting-site.ts';
import { ENDINGS, EndingScene } from './endings.cases.ts';

const rows: string[] = [];
const PAGE = fileURLToPath(new URL('../../docs/endings.md', import.meta.url));

describe('how a call ends', () => {
  it.each(ENDINGS.map((ending) => [ending.what, ending] as const))('%s', async (_what, ending) => {
    const site = await new WaitingSite(ending.mode, undefined, ending.policy).start();
    try {
      await ending.happens(new EndingScene(site));
      const [trace] = site.traces.find(AOR);
      const [over] = site.over;
      if (!trace || !over) throw new Error('no call, or it is not over');
      // With the record as it was when the call came: what the call did to it is told by its own sentence.
      const said: Explanation = explainCall(trace, site.record, site.clock.now());
      const missed = tellingsOfCall(over, site.clock.now()).find((t) => t.type === 'missed')?.data.why;
      expect(said.sentences[0]).toMatch(ending.end);
      expect(trace.status ?? '–').toBe(ending.status);
      expect(missed).toBe(ending.missed);
      if (ending.cause) expect(said.cause).toMatch(ending.cause);
      else expect(said.cause).toBeUndefined();
      if (ending.remedy) expect(said.remedy).toMatch(ending.remedy);
      else expect(said.remedy).toBeUndefined();
      expect(said.sentences.join(' '), 'says nothing twice or against itself').not.toMatch(/no call push yet/);
      const cell = (text: string | undefined) => (text ?? '–').replaceAll('|', '\\|');
      rows.push(
        `| ${ending.what} | ${cell(said.cause)} | ${cell(said.remedy)} | ${ending.status} | ${ending.missed ?? '–'} |`,
      );
    } finally {
      site.wakes.stop();
    }
  });

  it('there are at least 30 of them, each once', () => {
    expect(ENDINGS.length).toBeGreaterThanOrEqual(30);
    expect(new Set(ENDINGS.map((e) => e.what)).size).toBe(ENDINGS.length);
  });
});

afterAll(() => {
  const page = `# How a call can end, and what pushwake says of it

Written from the table of \`test/runtime/endings.test.ts\`, where each row is carried out. *Cause* and *what to do* are what \`pushwake explain\` and
the status page say; *status* is \`PUSHWAKE_STATUS\` in the dialplan; *missed* is \`why\` of the event \`missed\`, where there is one
([events.md](events.md)). A dash: nothing is said, because nothing went wrong or nothing can be done. A call that is taken up after
a restart has no status of its own until a phone comes.

| ending | cause | what to do | status | missed |
|---|---|---|---|---|
${rows.join('\n')}
`;
  if (process.env.UPDATE_DOCS) writeFileSync(PAGE, page);
  // A run of some of the rows (-t) is no table.
  else if (rows.length === ENDINGS.length)
    expect(readFileSync(PAGE, 'utf8'), 'UPDATE_DOCS=1 writes it anew').toBe(page);
});
