/**
 * A woken phone registers, is dialled, and is not there: the PBX shut its connection, or it has changed its network. When it registers anew within the
 * call, it rings, by one INVITE at a time.
 */
import { describe, expect, it } from 'vitest';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { type Instant, plus } from '../../plugin/core/time.ts';
import { beginWake, Cause, stepWake, type WakeEvent, wakeDueAt } from '../../plugin/core/wake.ts';
import { AOR, bindingEndingIn, contactUri, MONDAY, recordOf } from '../support/builders.ts';

const DAY = 86_400_000;
const at = (port: number) => contactUri({ port });
/** New tokens, of which nobody has heard. */
const tokens = (port: number) => contactUri({ port, voip: 'c'.repeat(64), other: 'd'.repeat(64) });
/** Contacts of an app that says nothing of itself in them. */
const bare = (port: number) => `sip:1001@192.0.2.7:${port};transport=tls`;

type Happens = string | number | 'rings' | 'unreachable';

/**
 * What becomes of the leg, in ms since the call and in words. A text registers that contact, `asked …` the same as learnt by asking; a number waits
 * so many ms; `unreachable N`: its INVITE ended with that cause and its leg is back; `again N …`: a report of a REGISTER of N ms ago.
 */
function played(...happens: Happens[]): string[] {
  const binding = bindingEndingIn(5 * DAY, MONDAY);
  const policy = () => DEFAULT_POLICY;
  const arrival = { pbx: 'office', aor: AOR, wakeLeg: 'w', callId: 'c', stem: 'w12345678', startedAt: MONDAY };
  let { wake } = beginWake(arrival, recordOf(binding), policy, (b) => b.targets.call);
  let now: Instant = MONDAY;
  const found: string[] = [];
  const step = (event: WakeEvent) => {
    const next = stepWake(wake, event, now, policy);
    wake = next.wake;
    for (const e of next.effects) {
      if (e.type === 'ring') found.push(`${now - MONDAY}: ${e.contact?.uri.split(/[;@]/)[1]}`);
      if (e.type === 'giveUp' && e.legId === 'leg') found.push(`${now - MONDAY}: ends with ${e.cause}`);
      if (e.type === 'tell') found.push(`${now - MONDAY}: ${e.word}`);
    }
  };
  const ref = wake.devices[0]?.legs.fresh.ref ?? '';
  step({ type: 'Asked', contacts: [] });
  step({ type: 'LegArrived', legId: 'leg', ref });
  for (const what of happens) {
    if (typeof what === 'number') {
      const until = plus(now, what);
      for (let due = wakeDueAt(wake); due !== undefined && due <= until; due = wakeDueAt(wake)) {
        now = due;
        step({ type: 'TimePassed', linkUp: true });
      }
      now = until;
    } else if (what === 'rings') step({ type: 'LegRinging', ref });
    else if (what === 'too late') step({ type: 'RingTooLate', legId: 'leg' });
    else if (what === 'its leg ends') step({ type: 'LegEnded', legId: 'leg', cause: Cause.interworking, hungUp: true });
    else if (what === 'cancelled') step({ type: 'LegEnded', legId: 'w', cause: Cause.interworking, hungUp: true });
    else if (what.startsWith('unreachable')) {
      step({ type: 'LegArrived', legId: 'leg', ref, notReached: Number(what.split(' ')[1]) });
    } else if (what.startsWith('asked ')) {
      step({ type: 'Registered', contact: { uri: what.slice(6) }, undated: true });
    } else if (what.startsWith('again ')) {
      const [, ago, uri = ''] = what.split(' ');
      step({ type: 'Registered', contact: { uri }, at: plus(now, -Number(ago)) });
    } else step({ type: 'Registered', contact: { uri: what }, at: now });
  }
  return found;
}

describe('a woken phone whose caller hangs up just when it is to be rung', () => {
  const came = at(41_000);
  const rung = '0: 192.0.2.7:41000';
  it.each<[string, Happens[], string[]]>([
    ['it was dialled: the CANCEL tells it', [came, 'its leg ends', 'cancelled'], [rung]],
    [
      'the order came too late: it hears the end',
      [came, 'too late', 'its leg ends', 'cancelled'],
      [rung, '0: cancelled'],
    ],
    ['… and we learn that last', [came, 'its leg ends', 'cancelled', 'too late'], [rung, '0: cancelled']],
    ['… and its leg ends last', [came, 'cancelled', 'too late', 'its leg ends'], [rung, '0: cancelled']],
    [
      'it was dialled, and is not at its second address: the CANCEL goes where it was dialled',
      [came, 3_000, at(42_000), 10, 'too late', 'cancelled', 'too late'],
      [rung, '3001: 192.0.2.7:42000'],
    ],
    ['it rings: the CANCEL tells it', [came, 'rings', 'cancelled', 'too late'], [rung]],
  ])('%s', (_, happens, expected) => {
    expect(played(...happens)).toEqual(expected);
  });
});

describe('a woken phone that is dialled and not there', () => {
  it.each<[string, Happens[], string[]]>([
    [
      'it has new tokens at the address it had, and then changes that: it is still the one that was pushed',
      [at(41_000), 5_000, tokens(41_000), 1_400, tokens(42_000), 10, 'cancelled'],
      ['0: 192.0.2.7:41000', '6401: 192.0.2.7:42000'],
    ],
    [
      'its INVITE fails, and it registers anew a moment later: it rings there',
      [1_000, at(41_000), 40, 'unreachable 20', 700, at(42_000)],
      ['1000: 192.0.2.7:41000', '1740: 192.0.2.7:42000'],
    ],
    [
      'it registers anew at the same address',
      [at(41_000), 40, 'unreachable 20', 700, at(41_000)],
      ['0: 192.0.2.7:41000', '740: 192.0.2.7:41000'],
    ],
    [
      'it had registered anew before its INVITE failed',
      [at(41_000), 30, at(42_000), 10, 'unreachable 34'],
      ['0: 192.0.2.7:41000', '40: 192.0.2.7:42000'],
    ],
    [
      'it had registered anew, and a slower sensor told of its first REGISTER after that',
      [at(41_000), 20, at(42_000), 80, `again 150 ${at(41_000)}`, 10, 'unreachable 34'],
      ['0: 192.0.2.7:41000', '110: 192.0.2.7:42000'],
    ],
    [
      'the same, and the slower sensor tells of both REGISTERs',
      [at(41_000), 20, at(42_000), 80, `again 150 ${at(42_000)}`, `again 150 ${at(41_000)}`, 10, 'unreachable 34'],
      ['0: 192.0.2.7:41000', '110: 192.0.2.7:42000'],
    ],
    [
      'the same while its INVITE is under way to nobody: it has its two seconds',
      [at(41_000), 20, at(42_000), 80, `again 150 ${at(41_000)}`, 5_000],
      ['0: 192.0.2.7:41000', '2000: 192.0.2.7:42000'],
    ],
    [
      'it went to another address and came back to the first: it is dialled there',
      [at(41_000), 20, at(42_000), 80, `again 10 ${at(41_000)}`, 10, 'unreachable 34', 10, at(41_000)],
      ['0: 192.0.2.7:41000', '120: 192.0.2.7:41000'],
    ],
    [
      'a slower sensor tells once more of the REGISTER that was dialled in vain: no second INVITE goes there',
      [at(41_000), 40, 'unreachable 27', 78, `again 150 ${at(41_000)}`, 382, at(42_000)],
      ['0: 192.0.2.7:41000', '500: 192.0.2.7:42000'],
    ],
    [
      'the same, and the slower sensor names the same time',
      [at(41_000), 40, 'unreachable 27', 78, `again 118 ${at(41_000)}`, 8_000],
      ['0: 192.0.2.7:41000', '8040: ends with 27'],
    ],
    [
      'it does not come back: its leg ends as its INVITE did, eight seconds later',
      [at(41_000), 40, 'unreachable 34', 20_000],
      ['0: 192.0.2.7:41000', '8040: ends with 34'],
    ],
    [
      'it registers at another address while nothing has rung for two seconds: dialled there at once',
      [at(41_000), 3_000, at(42_000), 10],
      ['0: 192.0.2.7:41000', '3001: 192.0.2.7:42000'],
    ],
    [
      'it registers at another address at once: the first INVITE has its two seconds',
      [at(41_000), 100, at(42_000), 5_000],
      ['0: 192.0.2.7:41000', '2000: 192.0.2.7:42000'],
    ],
    [
      'the first INVITE rings within them: one INVITE',
      [at(41_000), 100, at(42_000), 500, 'rings', 20_000],
      ['0: 192.0.2.7:41000'],
    ],
    [
      'it registers again at the address that is dialled: one INVITE',
      [at(41_000), 100, at(42_000), 10, at(41_000), 20_000],
      ['0: 192.0.2.7:41000'],
    ],
    [
      'what the PBX holds proves no REGISTER after the INVITE: an old contact is not dialled in its place',
      [at(41_000), 100, `asked ${at(42_000)}`, 20_000],
      ['0: 192.0.2.7:41000'],
    ],
    [
      'never more than three INVITEs',
      [at(1), 'unreachable 20', at(2), 'unreachable 20', at(3), 'unreachable 20', at(4), 20_000],
      ['0: 192.0.2.7:1', '0: 192.0.2.7:2', '0: 192.0.2.7:3', '0: ends with 20'],
    ],
    [
      'never more than three INVITEs, however often it registers',
      [at(1), 10, at(2), 5_000, at(3), 5_000, at(4), 20_000],
      ['0: 192.0.2.7:1', '2000: 192.0.2.7:2', '5011: 192.0.2.7:3'],
    ],
    [
      'its contacts name no device: the new one takes the leg that waits',
      [bare(41_000), 40, 'unreachable 20', 700, bare(42_000)],
      ['0: 192.0.2.7:41000', '740: 192.0.2.7:42000'],
    ],
    [
      'the caller is gone while it is awaited anew: it gets its word, as it was never reached',
      [at(41_000), 40, 'unreachable 20', 700, 'cancelled'],
      ['0: 192.0.2.7:41000', '740: cancelled'],
    ],
  ])('%s', (_, happens, expected) => {
    expect(played(...happens)).toEqual(expected);
  });
});
