import { describe, expect, it } from 'vitest';
import { Calls, type CallsIo } from '../../adapters/pbx/asterisk/calls.ts';
import { DIALPLAN_VERSION } from '../../adapters/pbx/asterisk/dialplan-version.ts';
import type { PbxEvent } from '../../plugin/ports/pbx-link.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const said = { linkedId: 'x', startedEpochMs: Number.NaN, aorId: '1001', endpoint: '1001' };

/** A call whose wake leg `w` dials the legs named. */
async function dialling(...devices: string[]) {
  const clock = new FakeClock();
  const events: string[] = [];
  const io = {
    pbx: 'office',
    options: { realm: 'example.com', app: 'pushwake', via: {} },
    isPathless: () => false,
    deps: { clock, log: { debug() {}, warn() {}, error() {} } },
    call: async () => 'done',
    say: (event: PbxEvent) => {
      if (event.type === 'legEnded') events.push(`${event.legId} ${event.cause}`);
    },
  } as unknown as CallsIo;
  const calls = new Calls(io);
  calls.seen({ fact: 'wakeLeg', channelId: 'w', own: false, ...said }, false);
  await calls.compose(
    'w',
    'call',
    devices.map((_, i) => ({ kind: 'device', ref: `ref${i}` }) as never),
  );
  for (const channelId of devices)
    calls.seen({ fact: 'deviceLeg', kind: 'device', channelId, ref: channelId, callId: 'call', ...said }, false);
  const ended = (channelId: string, cause: number) => calls.seen({ fact: 'ended', channelId, cause }, false);
  return { calls, clock, events, ended };
}

describe('a dialplan', () => {
  const warnings = (...versions: (number | undefined)[]) => {
    const log = new RecordedLog();
    const io = {
      pbx: 'office',
      options: { realm: 'example.com', app: 'pushwake', via: {} },
      deps: { clock: new FakeClock(), log, name: 'office' },
      call: async () => 'done',
      say: () => undefined,
    } as unknown as CallsIo;
    const calls = new Calls(io);
    versions.forEach((dialplan, i) => {
      const version = dialplan === undefined ? {} : { dialplan };
      calls.seen({ fact: 'wakeLeg', channelId: `w${i}`, own: false, ...said, ...version }, false);
    });
    calls.stop();
    return log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  };

  it('of this version is not spoken of', () => expect(warnings(DIALPLAN_VERSION, DIALPLAN_VERSION)).toEqual([]));

  it('that is older than those that say their version is, once', () =>
    expect(warnings(undefined, undefined, DIALPLAN_VERSION)).toEqual([
      expect.stringMatching(/old copy: with those of versions 1 to 7 Asterisk can crash/),
    ]));

  it('of a newer pushwake is, once', () =>
    expect(warnings(DIALPLAN_VERSION + 1, DIALPLAN_VERSION + 1)).toEqual([
      expect.stringMatching(/another version of pushwake/),
    ]));
});

describe('the end of a wake leg', () => {
  it('is reported behind those of the legs it dials, though Asterisk reports it first', async () => {
    const { clock, events, ended } = await dialling('a', 'b');
    ended('w', 17);
    expect(events).toEqual([]);
    ended('a', 17);
    ended('b', 16);
    expect(events).toEqual(['a 17', 'b 16', 'w 17']);
    expect(clock.pending()).toBe(0);
  });

  it('is reported at once when they have ended before', async () => {
    const { events, ended } = await dialling('a');
    ended('a', 21);
    ended('w', 21);
    expect(events).toEqual(['a 21', 'w 21']);
  });

  it('does not wait for a leg whose end is never told', async () => {
    const { clock, events, ended } = await dialling('a');
    ended('w', 19);
    await clock.advance(499);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(events).toEqual(['w 19']);
    ended('a', 16);
    expect(events).toEqual(['w 19', 'a 16']);
  });

  it('leaves no timer behind when the link stops', async () => {
    const { calls, clock, ended } = await dialling('a');
    ended('w', 19);
    calls.stop();
    expect(clock.pending()).toBe(0);
  });
});

describe('a status for the dialplan', () => {
  it.each([
    ['phones are waited for', [{ kind: 'device', ref: 'ref0' }]],
    ['nobody is waited for', []],
  ])('is written before the leg goes on by which it goes: %s', async (_what, ring) => {
    const orders: string[] = [];
    const written = Promise.withResolvers<string>();
    const io = {
      pbx: 'office',
      options: { realm: 'example.com', app: 'pushwake', via: {} },
      isPathless: () => false,
      deps: { clock: new FakeClock(), log: { debug() {}, warn() {}, error() {} } },
      call: async (operation: string) => {
        orders.push(operation);
        return operation === 'setVariable' ? written.promise : 'done';
      },
      say: () => undefined,
    } as unknown as CallsIo;
    const calls = new Calls(io);
    calls.seen({ fact: 'wakeLeg', channelId: 'w', own: false, ...said }, false);
    const told = calls.tellStatus('w', 'NOBODY');
    const composed = calls.compose('w', 'call', ring as never);
    for (let i = 0; i < 20; i++) await Promise.resolve();
    expect(orders).toEqual(['follow', 'setVariable']);
    written.resolve('done');
    await Promise.all([told, composed]);
    expect(orders).toEqual(['follow', 'setVariable', 'channel', 'goOn']);
  });
});

describe('options of the caller’s Dial', () => {
  /** What each leg goes on with; `w` is the wake leg, `a` a leg that waits for a phone. `asked`: what Asterisk says of a channel. */
  async function goneOn(own: boolean, asked: (channelId: string) => unknown) {
    const with_: Record<string, unknown> = {};
    const io = {
      pbx: 'office',
      options: { realm: 'example.com', app: 'pushwake', via: {} },
      isPathless: () => false,
      deps: { clock: new FakeClock(), log: { debug() {}, warn() {}, error() {} } },
      call: async (operation: string, args: { channelId: string; variables?: Record<string, string> }) => {
        if (operation === 'channel') return asked(args.channelId);
        if (operation === 'goOn') with_[args.channelId] = args.variables;
        return 'done';
      },
      say: () => undefined,
    } as unknown as CallsIo;
    const calls = new Calls(io);
    calls.seen({ fact: 'wakeLeg', channelId: 'w', own, ...said }, false);
    await calls.compose(own ? 'w/1' : 'w', 'call', [{ kind: 'device', ref: 'ref0' }] as never);
    calls.seen({ fact: 'deviceLeg', kind: 'device', channelId: 'a', ref: 'ref0', callId: 'call', ...said }, false);
    const aor = '1001@example.com' as never;
    await calls.ring(
      { legId: 'a', kind: 'device', ref: 'ref0', aor, callId: 'call' },
      { pbx: 'office', aor, uri: 'sip:1001@192.0.2.7:5060' },
    );
    return with_;
  }
  const dials = (channel: string) => (channelId: string) =>
    channelId === channel
      ? { dialplan: { app_name: 'Dial', app_data: 'Local/1@pushwake/n,30,ib(hdr^s^1)' } }
      : undefined;
  const both = { PUSHWAKE_DIALLED_B: 'hdr^s^1', PUSHWAKE_DIALLED_I: 'i' };

  it('a wake leg learns them of the channel that began the call, and its legs inherit them', async () => {
    const { w, a } = await goneOn(false, dials('x'));
    expect(w).toMatchObject({ ...both, PUSHWAKE_DIAL: 'Local/ref0@pushwake-device/n' });
    expect(Object.keys(a as object)).toEqual(['PUSHWAKE_CONTACT']);
  });

  it('the caller’s own channel dials later: its legs learn them when they are there', async () => {
    const { a } = await goneOn(true, dials('w'));
    expect(a).toMatchObject({ ...both, PUSHWAKE_CONTACT: expect.stringContaining('sip:1001@192.0.2.7:5060') });
  });

  it('a channel of which Asterisk tells nothing keeps no call waiting', async () => {
    const { w, a } = await goneOn(false, () => Promise.reject(new Error('no answer')));
    expect(Object.keys(w as object)).not.toContain('PUSHWAKE_DIALLED_B');
    expect(a).toBeDefined();
  });
});

describe('a leg that another node has taken over while this one stood still', () => {
  /** A call that waits on this node. When its link is up again there is no such channel any more, and these legs were taken from it. */
  async function waiting(taken: readonly string[] | 'unknown') {
    const told: string[] = [];
    const io = {
      pbx: 'office',
      options: { realm: 'example.com', app: 'pushwake', via: {} },
      isPathless: () => false,
      deps: { clock: new FakeClock(), log: { debug() {}, warn() {}, error() {}, info() {} } },
      call: async (operation: string) => {
        if (operation === 'takenFromUs' && taken === 'unknown') throw new Error('no answer');
        return operation === 'waitingChannels' ? [] : operation === 'takenFromUs' ? taken : 'done';
      },
      say: (event: PbxEvent) => {
        if (event.type !== 'deviceLegArrived') told.push(`${event.type} ${'legId' in event ? event.legId : ''}`);
      },
    } as unknown as CallsIo;
    const calls = new Calls(io);
    calls.seen({ fact: 'deviceLeg', kind: 'device', channelId: 'a', ref: 'ref0', callId: 'call', ...said }, false);
    return { calls, told };
  }

  it('is told of as such: what becomes of it is the other node’s to say', async () => {
    const { calls, told } = await waiting([]);
    calls.seen({ fact: 'leftStasis', channelId: 'a' }, false);
    calls.takenOver('a');
    calls.seen({ fact: 'answered', channelId: 'a' }, false);
    calls.seen({ fact: 'ended', channelId: 'a', cause: 26 }, false);
    expect(told).toEqual(['legTakenOver a']);
  });

  it.each([
    ['another node had it', ['a', 'b'], ['legTakenOver a']],
    ['it was ours to the end', [], ['legEnded a']],
    ['Asterisk does not say whose it was: the calls that wait are taken up all the same', 'unknown', ['legEnded a']],
  ] as const)('when the link is up again and it has ended: %s', async (_what, taken, tells) => {
    const { calls, told } = await waiting(taken);
    await calls.takeUp();
    expect(told).toEqual(tells);
  });
});
