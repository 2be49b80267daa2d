/** What is remembered of a stranger's message must not keep the message, nor be as long as the stranger likes. */
import { describe, expect, it } from 'vitest';
import { translate as ofAsterisk } from '../../adapters/pbx/asterisk/translate.ts';
import { ShownContacts } from '../../adapters/pbx/asterisk/wire-facts.ts';
import { LastSeen } from '../../adapters/pbx/freeswitch/registrations/last-seen.ts';
import { heldOf } from '../../adapters/pbx/freeswitch/registrations/rows.ts';
import { readRegistrations } from '../../adapters/pbx/freeswitch/registrations/xml-status.ts';
import { callOf } from '../../adapters/pbx/freeswitch/translate.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { LONGEST_CALLER, LONGEST_USER_AGENT } from '../../plugin/core/detached.ts';
import { instant } from '../../plugin/core/time.ts';
import { AOR } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { bytesHeld } from '../support/heap.ts';

const MB = 1024 * 1024;
const row = (n: number) => `    <registration>
        <call-id>call-id-of-${n}@127.0.0.24</call-id>
        <user>user-number-${n}@pbx.test</user>
        <contact>"" &lt;sip:user-number-${n}@127.0.0.24:5100;line=${n}&gt;</contact>
        <agent>A softphone of some length ${'x'.repeat(2_000)}</agent>
        <status>Registered(UDP)(unknown) exp(2026-01-01 00:00:00) expsecs(605)</status>`;
const listing = () =>
  `<profile>\n  <registrations>\n${Array.from({ length: 2_000 }, (_, n) => row(n)).join('\n')}\n  </registrations>\n</profile>\n`;

describe('FreeSWITCH', () => {
  it('a row that is kept does not keep the listing it stood in', () => {
    const before = bytesHeld();
    const kept = Array.from({ length: 5 }, () => {
      const [first] = heldOf('office', readRegistrations('internal', listing()) ?? [], 0, instant);
      return [first?.contact.aor, first?.contact.uri, first?.contact.userAgent, first?.row.callId];
    });
    expect(bytesHeld() - before).toBeLessThan(1 * MB);
    expect(kept[4]?.[1]).toBe('sip:user-number-0@127.0.0.24:5100;line=0');
  });

  it('10,000 Call-IDs of 57 kB are not remembered', () => {
    const seen = new LastSeen();
    const before = bytesHeld();
    const filler = 'c'.repeat(57_000);
    for (let i = 0; i < 2_000; i++) seen.set(`${i}${filler}`.slice(0), { aor: AOR, uri: `sip:${i}@h` });
    expect(bytesHeld() - before).toBeLessThan(1 * MB);
    seen.set('an ordinary one', { aor: AOR, uri: 'sip:1@h' });
    expect(seen.get('an ordinary one')?.uri).toBe('sip:1@h');
  });
});

describe('Asterisk', () => {
  it('contacts that were shown lately have a bound in bytes', () => {
    const shown = new ShownContacts(new FakeClock());
    const before = bytesHeld();
    const path = 'p'.repeat(10_000);
    for (let i = 0; i < 20_000; i++)
      shown.add({
        pbx: 'office',
        aor: `${i}@h` as Aor,
        uri: `sip:${i}@h`,
        path: Buffer.from(`${i}${path}`).toString(),
      });
    expect(bytesHeld() - before).toBeLessThan(40 * MB);
    expect(shown.get('19999@h' as Aor, 'sip:19999@h', instant(0))).toBeDefined();
  });
});

it('whoever calls has a name of bounded length', () => {
  const name = 'n'.repeat(57_000);
  const asterisk = ofAsterisk({
    type: 'StasisStart',
    application: 'pushwake',
    args: ['compose', '1001', 'linked', 'allowed'],
    timestamp: '2026-11-22T04:13:20.123+0000',
    channel: { id: 'c', caller: { name, number: name }, creationtime: '2026-11-22T04:13:20.123+0000' },
  }) as { caller?: { name: string; number: string } };
  const freeswitch = callOf({
    'Unique-ID': '5d3bd1d4-2a92-4b0e-8d2a-111111111111',
    variable_pushwake_aor: '1001@example.com',
    'Caller-Caller-ID-Name': name,
    'Caller-Caller-ID-Number': name,
  }) as { caller?: { name: string; number: string } } | undefined;
  for (const caller of [asterisk.caller, freeswitch?.caller]) {
    expect(caller?.name).toHaveLength(LONGEST_CALLER);
    expect(caller?.number).toHaveLength(LONGEST_CALLER);
  }
});

it('a User-Agent is kept as far as it is shown', () => {
  const [held] = heldOf('office', readRegistrations('internal', listing()) ?? [], 0, instant);
  expect(held?.contact.userAgent).toHaveLength(LONGEST_USER_AGENT);
});
