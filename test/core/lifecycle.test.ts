import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decodeRecord, encodeRecord, isLive } from '../../plugin/core/binding.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import { bindingEndingIn, inWords, recordOf } from '../support/builders.ts';
import { CASES, type LifecycleCase, NOW, policyOf } from './lifecycle.cases.ts';

const PAGE = fileURLToPath(new URL('../../docs/lifecycle.md', import.meta.url));

function run(c: LifecycleCase) {
  const t = transition(c.record, c.event, NOW, () => policyOf(c));
  const b = t.record.bindings[0];
  const left = !t.changed ? 'unchanged' : b === undefined ? 'gone' : b.ending ? 'ending' : isLive(b) ? 'live' : 'claim';
  return { t, left, effects: t.effects.map((e) => inWords(e, NOW)) };
}

describe('lifecycle', () => {
  test.each(CASES.map((c) => [`${c.group}: ${c.sentence}`, c] as const))('%s', (_title, c) => {
    const { t, left, effects } = run(c);
    expect({ effects, left }).toEqual({ effects: c.does, left: c.left });
    // Whatever happened: stored and read again it is the same, and nothing is due at an instant already dealt with.
    expect(decodeRecord(encodeRecord(t.record))).toEqual(t.record);
    if (c.event.type === 'Ticked' && t.changed) expect(t.record.dueAt ?? Number.POSITIVE_INFINITY).toBeGreaterThan(NOW);
  });

  test.each(CASES.map((c) => [`${c.group}: ${c.sentence}`, c] as const))(
    'twice at the same instant adds nothing: %s',
    (_title, c) => {
      if (c.event.type !== 'Ticked') return;
      const first = transition(c.record, c.event, NOW, () => policyOf(c));
      const second = transition(first.record, c.event, NOW, () => policyOf(c));
      expect(second.effects.filter((e) => e.type !== 'report')).toEqual([]);
    },
  );

  test('the last two refreshes before the end are urgent, no other', () => {
    let record = recordOf(bindingEndingIn(DAY + HOUR, NOW));
    const refreshes: boolean[] = [];
    for (let now = NOW; record.bindings[0]?.ending === undefined && now < plus(NOW, 2 * DAY); now = plus(now, MINUTE)) {
      const t = transition(
        record,
        { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' },
        now,
        () => DEFAULT_POLICY,
      );
      // As the runner does: every notice arrived.
      const bindings = t.record.bindings.map((b) => ({ ...b, sent: b.sent.map((s) => ({ ...s, done: true })) }));
      record = { ...t.record, bindings };
      for (const effect of t.effects) if (effect.type === 'sendRefresh') refreshes.push(effect.urgent === true);
    }
    expect(refreshes.length).toBeGreaterThan(15);
    expect(refreshes).toEqual(refreshes.map((_, i) => i >= refreshes.length - 2));
  });

  test('docs/lifecycle.md says what this table says', () => {
    const text = page();
    if (process.env.UPDATE_DOCS) writeFileSync(PAGE, text);
    expect(readFileSync(PAGE, 'utf8')).toBe(text);
  });
});

function page(): string {
  const groups = [...new Set(CASES.map((c) => c.group))];
  const leftInWords = { live: 'lives on', ending: '*ending*', gone: 'is gone', claim: 'a claim', unchanged: '' };
  const rows = (group: string) =>
    CASES.filter((c) => c.group === group)
      .map((c) => {
        const effects = c.does.length === 0 ? 'nothing is sent' : c.does.join('; ');
        const after = leftInWords[c.left];
        return `| ${c.sentence} | ${effects}${after ? ` → ${after}` : ''} |`;
      })
      .join('\n');
  return `# The life of a push binding

Generated from \`test/core/lifecycle.cases.ts\`; each row is a test. Every number is the default and may be set per app and
per AOR pattern (\`policy\` and \`policies\` in \`pushwake.yaml\`). Words in parentheses are log lines (\`binding …\`).

One promise stands above all rows: **no binding ends by age unless its user was warned at least 11 h before and again at
least 50 min before, and the PBX was asked each time.** \`test/core/lifecycle.properties.test.ts\` looks for a way to break it.

${groups.map((g) => `## ${g}\n\n| when | then |\n|---|---|\n${rows(g)}\n`).join('\n')}`;
}
