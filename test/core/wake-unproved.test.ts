/**
 * A phone comes for its call and does not prove by its token which device it is: the PBX holds it as a contact of the called
 * account, and a plain dial would ring it. What is registered must ring; a leg of another phone must not be taken for it.
 */
import { describe, expect, it } from 'vitest';
import type { Binding, BindingId } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, MINUTE, plus } from '../../plugin/core/time.ts';
import { beginWake, stepWake, type WakeEvent } from '../../plugin/core/wake.ts';
import { AOR, apnsPair, bindingEndingIn, contactUri, MONDAY, OTHER, recordOf, VOIP } from '../support/builders.ts';

const PLAIN = 'sip:1001@192.0.2.7:41000;transport=tls';
const DESK = 'sip:1001@192.0.2.9:5060';
const NEW = 'c'.repeat(64);
const AGAIN = contactUri({ port: 41_000, voip: NEW, other: 'd'.repeat(64) });
const OTHER_APP = `${PLAIN};pn-provider=fcm;pn-param=another-app;pn-prid=another-phone`;

/** What registers, by its contact; or anything else that happens, now or at a later instant. */
type Step = string | WakeEvent | [at: Instant, event: WakeEvent];

/** Whose legs ring in the end, by device and contact. `devices`: what each binding differs in. */
function rings(devices: readonly Partial<Binding>[], ...happens: Step[]): string[] {
  return played(devices, ...happens).rings;
}

function played(devices: readonly Partial<Binding>[], ...happens: Step[]): { rings: string[]; words: string[] } {
  const bindings = devices.map((change, i) => {
    const id = `${i}`.padStart(16, '0') as BindingId;
    const targets = i === 0 ? apnsPair() : apnsPair(`${i}`.repeat(64), `${i + 5}`.repeat(64));
    const contacts = i === 0 ? bindingEndingIn(5 * DAY, MONDAY).contacts : [];
    return bindingEndingIn(5 * DAY, MONDAY, { id, targets, contacts, ...change });
  });
  const arrival = { pbx: 'office', aor: AOR, wakeLeg: 'w', callId: 'c', stem: 'w12345678', startedAt: MONDAY };
  const { wake: begun } = beginWake(
    arrival,
    recordOf(...bindings),
    () => DEFAULT_POLICY,
    (b) => b.targets.call,
  );
  let wake = begun;
  const found: string[] = [];
  const words: string[] = [];
  const step = (event: WakeEvent, at = MONDAY) => {
    const next = stepWake(wake, event, at, () => DEFAULT_POLICY);
    wake = next.wake;
    for (const e of next.effects) {
      if (e.type === 'ring') found.push(`${e.legId} rings ${e.contact?.uri}`);
      if (e.type === 'tell') words.push(`${Number(e.device.bindingId)} ${e.word}`);
    }
  };
  const legs = () => {
    for (const [i, d] of wake.devices.entries()) {
      step({ type: 'LegArrived', legId: `leg${i}`, ref: d.legs.fresh.ref });
    }
  };
  const isAskedLater = happens.some((h) => typeof h === 'object' && 'type' in h && h.type === 'Asked');
  if (!isAskedLater) step({ type: 'Asked', contacts: [{ uri: DESK }] });
  if (!isAskedLater) legs();
  for (const what of happens) {
    if (typeof what === 'string') step({ type: 'Registered', contact: { uri: what } });
    else if (Array.isArray(what)) step(what[1], what[0]);
    else step(what);
    if (typeof what !== 'string' && !Array.isArray(what) && what.type === 'Asked') legs();
  }
  return { rings: found, words };
}

const dead = (i = 0): WakeEvent => ({
  type: 'PushSettled',
  bindingId: `${i}`.padStart(16, '0') as BindingId,
  outcome: 'dead',
});

describe('a phone that comes without its proof', () => {
  it.each<[sentence: string, devices: Partial<Binding>[], happens: Step[], rings: string[]]>([
    ['no pn-* at all, from a new port: awake', [{}], [PLAIN], [`leg0 rings ${PLAIN}`]],
    [
      'its VoIP token, the other one not there yet: the token proves it',
      [{}],
      [`sip:1001@192.0.2.7:41000;pn-provider=apns;pn-param=TEAM.b.voip&remote;pn-prid=${VOIP}:voip&`],
      [`leg0 rings sip:1001@192.0.2.7:41000;pn-provider=apns;pn-param=TEAM.b.voip&remote;pn-prid=${VOIP}:voip&`],
    ],
    ['its app has been started anew: other tokens, another port', [{}], [AGAIN], [`leg0 rings ${AGAIN}`]],
    [
      'push parameters that cannot be read',
      [{}],
      [`${PLAIN};pn-provider=apns;pn-prid=`],
      [`leg0 rings ${PLAIN};pn-provider=apns;pn-prid=`],
    ],
    ['the desk phone that rings already registers again: its own leg rings it', [{}], [DESK], []],
    ['the same, with the parameters in another order', [{}], [`${DESK};ob`, PLAIN], [`leg0 rings ${PLAIN}`]],
    [
      'it came before the PBX had said what it holds, and is not in its answer',
      [{}],
      [PLAIN, { type: 'Asked', contacts: [{ uri: DESK }] }],
      [`leg0 rings ${PLAIN}`],
    ],
    [
      '… and is in its answer: rung by that',
      [{}],
      [PLAIN, { type: 'Asked', contacts: [{ uri: DESK }, { uri: PLAIN }] }],
      [],
    ],
    ['another app says which one it is: not taken for a phone that is being woken', [{}], [OTHER_APP], []],
    [
      '… but no push wakes that one any more: what is registered rings',
      [{}],
      [dead(), OTHER_APP],
      [`leg0 rings ${OTHER_APP}`],
    ],
    [
      'of two phones, one has a dead token: its leg is taken, the other is waited for',
      [{}, {}],
      [dead(1), PLAIN, contactUri({ port: 42_000 })],
      [`leg1 rings ${PLAIN}`, `leg0 rings ${contactUri({ port: 42_000 })}`],
    ],
    ['it registers twice: one leg', [{}, {}], [PLAIN, PLAIN], [`leg0 rings ${PLAIN}`]],
    [
      'it registers at another address, with the same tokens: the one leg, whose INVITE has its time first',
      [{}, {}],
      [AGAIN, contactUri({ port: 41_005, voip: NEW, other: 'd'.repeat(64) })],
      [`leg0 rings ${AGAIN}`],
    ],
    [
      'it has taken the leg of a phone that comes itself: that one rings by the leg which is left',
      [{}, {}],
      [AGAIN, contactUri({ port: 42_000 })],
      [`leg0 rings ${AGAIN}`, `leg1 rings ${contactUri({ port: 42_000 })}`],
    ],
    [
      '… and registers once more: it rings already',
      [{}, {}, {}],
      [AGAIN, contactUri({ port: 42_000 }), AGAIN],
      [`leg0 rings ${AGAIN}`, `leg1 rings ${contactUri({ port: 42_000 })}`],
    ],
    [
      '… of a phone that comes itself when no leg is left, and registers once more: it rings already',
      [{}, {}],
      [
        contactUri({ port: 41_001, voip: '1'.repeat(64), other: '6'.repeat(64) }),
        AGAIN,
        contactUri({ port: 42_000 }),
        AGAIN,
      ],
      [
        `leg1 rings ${contactUri({ port: 41_001, voip: '1'.repeat(64), other: '6'.repeat(64) })}`,
        `leg0 rings ${AGAIN}`,
      ],
    ],
  ])('%s', (_sentence, devices, happens, expected) => {
    expect(rings(devices, ...happens)).toEqual(expected);
  });

  it('another instance id is another install: only a phone that no push wakes gives its leg away', () => {
    const known = [{ evidence: { instanceId: '<urn:uuid:1>' } }];
    const other: WakeEvent = { type: 'Registered', contact: { uri: PLAIN, instanceId: '<urn:uuid:2>' } };
    expect(rings(known, other)).toEqual([]);
    expect(rings(known, dead(), other)).toEqual([`leg0 rings ${PLAIN}`]);
  });

  it('who has said no at its stored contact is not rung by another one', () => {
    const stored = contactUri({ transport: 'tls' });
    const asked: WakeEvent = { type: 'Asked', contacts: [{ uri: stored }] };
    expect(OTHER).not.toBe(NEW);
    const ref = 'w12345678s0000000000000000';
    const events: Step[] = [
      asked,
      { type: 'LegArrived', legId: 'stored', ref },
      { type: 'LegEnded', legId: 'stored', cause: 17, hungUp: false },
      PLAIN,
    ];
    expect(rings([{}], ...events)).toEqual(['stored rings undefined']);
  });

  it('a phone that says nothing of itself does not take the leg that waits for another one which was dialled in vain', () => {
    const vain: WakeEvent = { type: 'LegArrived', legId: 'leg0', ref: 'w12345678d0000000000000000', notReached: 34 };
    const [first, second, third] = [41_001, 41_002, 41_003].map((port) => `sip:1001@192.0.2.7:${port};transport=tls`);
    expect(rings([{}, {}], first as string, vain, second as string, third as string)).toEqual([
      `leg0 rings ${first}`,
      `leg1 rings ${second}`,
      `leg0 rings ${third}`,
    ]);
  });

  it('a slower report proves which phone it is that rings as another one: it rings once, and the other is waited for', () => {
    const devices = [{}, { evidence: { instanceId: '<urn:uuid:1>' } }];
    const proved: WakeEvent = { type: 'Registered', contact: { uri: AGAIN, instanceId: '<urn:uuid:1>' } };
    const other = contactUri({ port: 42_000 });
    expect(rings(devices, AGAIN, proved, other)).toEqual([`leg0 rings ${AGAIN}`, `leg1 rings ${other}`]);
  });

  describe('a phone is installed anew while it rings', () => {
    const devices = [
      { evidence: { instanceId: '<urn:uuid:1>' } },
      { evidence: { instanceId: '<urn:uuid:2>' }, contacts: [] },
    ];
    const vain: WakeEvent = { type: 'LegArrived', legId: 'leg0', ref: 'w12345678d0000000000000000', notReached: 27 };
    const first = contactUri({ port: 42_000 });
    const second = contactUri({ port: 43_000, voip: '1'.repeat(64), other: '6'.repeat(64) });

    it('has the leg of another one, which then comes: that one rings by the leg that was dialled in vain', () => {
      const anew: WakeEvent = { type: 'Registered', contact: { uri: AGAIN, instanceId: '<urn:uuid:3>' } };
      expect(rings(devices, first, vain, AGAIN, anew, second)).toEqual([
        `leg0 rings ${first}`,
        `leg1 rings ${AGAIN}`,
        `leg0 rings ${second}`,
      ]);
    });

    it('… and the leg that was dialled in vain does not end for the one that has it now', () => {
      const passed: WakeEvent = { type: 'TimePassed', linkUp: true };
      const proved: WakeEvent = { type: 'Registered', contact: { uri: AGAIN, instanceId: '<urn:uuid:1>' } };
      const { rings: rung } = played(devices, first, vain, AGAIN, proved, [plus(MONDAY, MINUTE), passed], second);
      expect(rung).toEqual([`leg0 rings ${first}`, `leg1 rings ${AGAIN}`, `leg0 rings ${second}`]);
    });
  });

  it('a phone that is known twice, by its address and by its instance, rings once', () => {
    const devices = [{ evidence: { instanceId: '<urn:uuid:1>' } }, { evidence: { instanceId: '<urn:uuid:2>' } }];
    const again = AGAIN.replace('41000', '40001');
    const asOther: WakeEvent = { type: 'Registered', contact: { uri: again, instanceId: '<urn:uuid:2>' } };
    expect(rings(devices, again, asOther)).toEqual([`leg0 rings ${again}`]);
  });

  describe('a phone that is another one has the leg of one which names its tokens and then comes where it was', () => {
    const stored = contactUri({ transport: 'udp' });
    const asked: WakeEvent = { type: 'Asked', contacts: [{ uri: stored }] };
    const held: WakeEvent = { type: 'LegArrived', legId: 'stored', ref: 'w12345678s0000000000000000' };
    const known = { contacts: [{ pbx: 'office', uri: stored, seenAt: plus(MONDAY, -HOUR) }] };

    it.each<[string, Partial<Binding>, Step[], string[]]>([
      ['both ring', known, [asked, held, PLAIN, stored], [`leg0 rings ${PLAIN}`, 'stored rings undefined']],
      [
        '… also where its stored leg was slow',
        known,
        [asked, PLAIN, held, stored],
        [`leg0 rings ${PLAIN}`, 'stored rings undefined'],
      ],
      [
        '… and it registers twice: once',
        known,
        [asked, held, PLAIN, stored, stored],
        [`leg0 rings ${PLAIN}`, 'stored rings undefined'],
      ],
      [
        'what has the leg says other tokens: both ring',
        known,
        [asked, held, AGAIN, stored],
        [`leg0 rings ${AGAIN}`, 'stored rings undefined'],
      ],
      ['it comes nowhere: its stored leg rings nobody', known, [asked, held, PLAIN, PLAIN], [`leg0 rings ${PLAIN}`]],
      ['… it comes elsewhere', known, [asked, held, PLAIN, contactUri({ port: 42_000 })], [`leg0 rings ${PLAIN}`]],
      [
        'an app that reports over HTTP says nothing either: it is the one that was waited for',
        { contacts: [{ pbx: 'office', uri: DESK, seenAt: plus(MONDAY, -HOUR) }], reportedAt: MONDAY },
        [{ type: 'Asked', contacts: [{ uri: DESK }] }, held, PLAIN, DESK],
        [`leg0 rings ${PLAIN}`],
      ],
    ])('%s', (_, device, happens, expected) => {
      expect(rings([device], ...happens)).toEqual(expected);
    });
  });

  // The phone that was pushed may be another one than that which took its leg, and still show the call.
  it.each<[sentence: string, comes: string, words: string[]]>([
    ['says other tokens: the phone that was pushed hears how it ended', AGAIN, ['0 elsewhere']],
    ['proves it: it has the call', contactUri({ port: 41_000 }), []],
    ['says nothing of itself, as an app that reports over HTTP: it has the call', PLAIN, []],
  ])('what answered %s', (_sentence, comes, words) => {
    const answered: WakeEvent = { type: 'LegAnswered', legId: 'leg0' };
    expect(played([{}], comes, answered).words).toEqual(words);
  });

  it('declines and says other tokens: the caller goes, and the phone that was pushed hears it once', () => {
    const declined: WakeEvent = { type: 'LegEnded', legId: 'leg0', cause: 17, hungUp: false };
    const gone: WakeEvent = { type: 'LegEnded', legId: 'w', cause: 127, hungUp: true };
    expect(played([{}], AGAIN, declined, gone).words).toEqual(['0 cancelled']);
  });
});
