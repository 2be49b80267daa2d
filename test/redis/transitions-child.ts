/**
 * One of several processes that change the same records at random. Each change is written to a log with the version it got,
 * so that whoever started them can replay the record by the core. `blind`: as if versions did not matter (the control).
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { emptyRecord } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { noticeKind } from '../../plugin/core/schedule.ts';
import { instant } from '../../plugin/core/time.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { type Change, chance, POLICY, randomEvent, VARIED_AORS } from './transitions.ts';

const [url = '', prefix = '', seed = '1', count = '0', startedAt = '0', file = '', blind = ''] = process.argv.slice(2);
const deps = { clock: systemClock(), log: new RecordedLog(), name: 'redis' };
const store = create(optionsSchema.parse({ url, prefix }), deps);
const random = chance(Number(seed));
const out = openSync(file, 'w');
/** Fifteen days a minute: bindings are warned and end meanwhile. */
const now = () => instant(Number(startedAt) + (Date.now() - Number(startedAt)) * 21_600);

await store.open();
const todo: { aor: (typeof VARIED_AORS)[number]; event: LifecycleEvent }[] = [];
let done = 0;
const lane = async (): Promise<void> => {
  while (done < Number(count)) {
    const aor = VARIED_AORS[Math.floor(random() * VARIED_AORS.length)] as (typeof VARIED_AORS)[number];
    const next = todo.shift() ?? { aor, event: undefined };
    for (;;) {
      const record = (await store.get(next.aor)) ?? emptyRecord(next.aor);
      const at = now();
      const event = next.event ?? randomEvent(random, record, at);
      const t = transition(record, event, at, () => POLICY);
      if (!t.changed) break;
      const expected = blind ? ((await store.get(next.aor))?.version ?? 0) : record.version;
      const put = await store.put(t.record, expected);
      if (!put.ok) continue;
      done++;
      const notices = t.effects.flatMap((e) =>
        // A device that came back while it was ending may end again, and is told so again.
        e.type === 'sendNotice' && e.which.notice === 'soon'
          ? [`${e.bindingId} ${noticeKind(e.which)} ${e.endsAt}`]
          : [],
      );
      const change: Change = { aor: next.aor, version: put.version, at, event, notices };
      writeSync(out, `${JSON.stringify(change)}\n`);
      for (const e of t.effects) {
        if (e.type === 'sendNotice')
          todo.push({
            aor: next.aor,
            event: { type: 'NoticeSettled', bindingId: e.bindingId, which: e.which, outcome: 'sent' },
          });
        if (e.type === 'removeContact')
          todo.push({ aor: next.aor, event: { type: 'ContactGone', bindingId: e.bindingId, pbx: e.pbx, uri: e.uri } });
      }
      break;
    }
  }
};
await Promise.all(Array.from({ length: 4 }, lane));
closeSync(out);
await store.close();
