/**
 * ARI events as Asterisk 22 really sent them, into facts. The recordings are of a lab; there the legs had other names, which
 * are written here as pushwake names them.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { translate, translateWaiting } from '../../adapters/pbx/asterisk/translate.ts';

const read = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../transcripts/asterisk/${name}`, import.meta.url)), 'utf8');

interface Recorded {
  readonly what: string;
  readonly event: { readonly type: string; readonly channel?: unknown };
}

const EVENTS = read('events.jsonl')
  .trim()
  .split('\n')
  .map((line): Recorded => JSON.parse(line));

const start = (args: readonly string[]) => ({
  type: 'StasisStart',
  timestamp: '2026-11-22T04:07:14.321+0000',
  args,
  channel: { id: '1.1', creationtime: '2026-11-22T04:07:14.320+0000' },
});

describe('recorded events', () => {
  it('become the facts we expect of them, one by one', () => {
    const lines = EVENTS.map(
      ({ what, event }) => `${what} | ${event.type} | ${JSON.stringify(translate(event) ?? null)}`,
    );
    expect(`${lines.join('\n')}\n`).toBe(read('events.expected.txt'));
  });

  it('are of every kind we listen to, and of some we do not', () => {
    const types = new Set(EVENTS.map((e) => e.event.type));
    expect([...types].sort()).toEqual([
      'CallBroadcast',
      'ChannelDestroyed',
      'ChannelHangupRequest',
      'ChannelStateChange',
      'ChannelUserevent',
      'ContactStatusChange',
      'DeviceStateChanged',
      'PeerStatusChange',
      'StasisEnd',
      'StasisStart',
    ]);
  });
});

describe('our legs', () => {
  it('a wake leg names its account and the whole call', () => {
    expect(translate(start(['compose', '1001', '1795320434.0']))).toEqual({
      fact: 'wakeLeg',
      channelId: '1.1',
      aorId: '1001',
      endpoint: '1001',
      own: false,
      linkedId: '1795320434.0',
      startedEpochMs: Date.UTC(2026, 10, 22, 4, 7, 14, 320),
    });
  });

  it.each([
    ['allowed_not_screened', { name: 'Zoë', number: '42' }],
    ['allowed', { name: 'Zoë', number: '42' }],
    ['prohib_passed_screen', undefined],
    ['unavailable', undefined],
    [undefined, undefined],
  ])('a caller who is %s is known as %j', (presentation, expected) => {
    const args = ['compose', '1001', '1795320434.0', ...(presentation === undefined ? [] : [presentation])];
    const event = start(args) as { channel: object };
    const fact = translate({ ...event, channel: { ...event.channel, caller: { name: 'Zoë', number: '42' } } });
    expect((fact as { caller?: unknown }).caller).toEqual(expected);
    expect(translate({ ...event, channel: { ...event.channel, caller: { name: '', number: 7 } } })).not.toHaveProperty(
      'caller',
    );
  });

  it.each([
    ['sales', 'sales'],
    ['+4930123', '+4930123'],
    // A dialplan from before it was said, and what could add legs to a dial string.
    [undefined, '1001'],
    ['a&PJSIP/1010', '1001'],
    ['a,30', '1001'],
  ])('the endpoint %s of the AOR 1001 is dialled as %s', (said, expected) => {
    const more = said === undefined ? [] : [said];
    expect(translate(start(['compose', '1001', 'l', 'allowed', ...more]))).toMatchObject({ endpoint: expected });
    const device = ['device', 'w0a1b2c3dd00000000000000a1', 'call-1', '1001', ...more];
    expect(translate(start(device))).toMatchObject({ aorId: '1001', endpoint: expected });
  });

  it.each([
    [['9'], { dialplan: 9 }],
    // Older ones say nothing; what is no number is nothing.
    [[], {}],
    [[''], {}],
    [['-1'], {}],
    [['9\u001b[31m'], {}],
    [['12345'], {}],
  ])('a dialplan that says of itself %j is read as %j', (said, expected) => {
    const { dialplan } = translate(start(['compose', '1001', 'l', 'allowed', '1001', ...said])) as {
      dialplan?: number;
    };
    expect(dialplan === undefined ? {} : { dialplan }).toEqual(expected);
  });

  it('the caller’s own channel is told from a leg of ours', () => {
    expect(translate(start(['visit', '1001', 'l', 'allowed', '1001']))).toMatchObject({ fact: 'wakeLeg', own: true });
  });

  const REF = 'w0a1b2c3dd00000000000000a1';
  it.each<[status: string, caller: object, peer: object, fact: unknown]>([
    ['ANSWER', { id: '1.2' }, {}, { fact: 'dialAnswered', channelId: '1.2', leaves: false }],
    ['CONTINUE', { id: '1.2', exten: REF }, {}, { fact: 'dialAnswered', channelId: '1.2', leaves: true }],
    ['RINGING', { id: '1.2', exten: REF }, { id: '1.3' }, { fact: 'ringing', ref: REF }],
    ['RINGING', { id: '1.2', exten: '1001' }, { id: '1.3' }, undefined],
    ['RINGING', {}, { id: 'late-1' }, { fact: 'lateRinging', channelId: 'late-1' }],
    ['BUSY', { id: '1.2', exten: REF }, { id: '1.3' }, undefined],
    ['', { id: '1.2', exten: REF }, { id: '1.3' }, { fact: 'dialling', channelId: '1.2', peerId: '1.3' }],
    ['', { id: '1.2', exten: REF }, {}, undefined],
  ])('a Dial that says "%s" of %j', (dialstatus, caller, peer, fact) => {
    expect(translate({ type: 'Dial', dialstatus, caller, peer })).toEqual(fact);
    expect(translate({ type: 'Dial', dialstatus })).toBeUndefined();
  });

  it.each(['device', 'stored'])('a %s leg names its ref, call and account', (kind) => {
    const ref = `w0a1b2c3d${kind === 'device' ? 'd' : 's'}00000000000000a1`;
    expect(translate(start([kind, ref, 'call-1', '1001']))).toMatchObject({
      fact: 'deviceLeg',
      kind,
      ref,
      callId: 'call-1',
      aorId: '1001',
    });
  });

  it.each([
    ['arguments of another application', ['hold', '1001']],
    ['a ref that is not ours', ['device', 'devA', 'c', '1001']],
    ['no account', ['device', 'w0a1b2c3dd00000000000000a1', 'c']],
    ['no arguments', []],
  ])('%s are none of ours', (_what, args) => {
    expect(translate(start(args))).toBeUndefined();
  });

  it('that wait when the link comes up tell the same as their StasisStart would have', () => {
    const channel = {
      id: '1.1',
      creationtime: '2026-11-22T04:07:14.320+0000',
      dialplan: { app_name: 'Stasis', app_data: 'pushwake,device,w0a1b2c3dd00000000000000a1,call-1,1001' },
    };
    expect(translateWaiting(channel, 'pushwake')).toEqual(
      translate(start(['device', 'w0a1b2c3dd00000000000000a1', 'call-1', '1001'])),
    );
    expect(translateWaiting(channel, 'other')).toBeUndefined();
    expect(
      translateWaiting({ ...channel, dialplan: { ...channel.dialplan, app_name: 'Dial' } }, 'pushwake'),
    ).toBeUndefined();
  });
});

describe('what nobody expects', () => {
  it.each([
    undefined,
    null,
    1,
    'text',
    [],
    {},
    { type: 'SomethingNew' },
    { type: 'StasisStart' },
    { type: 'ContactStatusChange', contact_info: 3 },
  ])('%j yields nothing', (event) => {
    expect(translate(event)).toBeUndefined();
    expect(translateWaiting(event, 'pushwake')).toBeUndefined();
  });

  it('never throws, whatever is missing or of another type', () => {
    const types = fc.constantFrom(...new Set(EVENTS.map((e) => e.event.type)));
    fc.assert(
      fc.property(
        types,
        fc.object({
          key: fc.constantFrom(
            'channel',
            'args',
            'id',
            'dialplan',
            'contact_info',
            'uri',
            'aor',
            'state',
            'timestamp',
            'cause',
          ),
        }),
        (type, rest) => {
          translate({ ...rest, type });
          translateWaiting(rest, 'pushwake');
        },
      ),
    );
  });
});
