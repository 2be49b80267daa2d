import { describe, expect, it } from 'vitest';
import { Legs } from '../../adapters/pbx/asterisk/legs.ts';
import { parametersOf, reasonOf } from '../../adapters/pbx/asterisk/reasons.ts';

const of = (channelId: string, kind: 'wake' | 'device' | 'stored', callId: string, own = false) =>
  ({ channelId, kind, aorId: '1001', endpoint: '1001', callId, own, comesBack: false }) as const;

describe('the caller’s own channel', () => {
  it('is over when the last of the legs that wait for its phones is', () => {
    const legs = new Legs();
    const own = legs.add(of('caller', 'wake', '', true));
    legs.composed(own, 'call', 2);
    const [first, second] = [legs.add(of('a', 'device', 'call')), legs.add(of('b', 'stored', 'call'))];
    expect(legs.remove(first)).toBeUndefined();
    expect(legs.remove(second)).toBe(own);
  });

  it('is not over while a leg of it has not come yet', () => {
    const legs = new Legs();
    const own = legs.add(of('caller', 'wake', '', true));
    legs.composed(own, 'call', 2);
    expect(legs.remove(legs.add(of('a', 'device', 'call')))).toBeUndefined();
    expect(legs.remove(legs.add(of('b', 'device', 'call')))).toBe(own);
  });

  it('may ask for several accounts: each is a leg of its own, all of one channel', () => {
    const legs = new Legs();
    const [one, two] = [legs.add(of('caller', 'wake', '', true)), legs.add(of('caller', 'wake', '', true))];
    expect(one.legId).not.toBe(two.legId);
    expect(legs.ofChannel('caller')).toEqual([one, two]);
    expect(legs.remove(one)).toBeUndefined();
    expect(legs.ofChannel('caller')).toEqual([two]);
    legs.remove(two);
    expect(legs.channels()).toEqual([]);
  });
});

describe('a leg of ours', () => {
  it('has the id of its channel, and its end ends nothing else', () => {
    const legs = new Legs();
    const wake = legs.add(of('w', 'wake', ''));
    legs.composed(wake, 'call', 1);
    expect(wake.legId).toBe('w');
    expect(legs.remove(legs.add(of('d', 'device', 'call')))).toBeUndefined();
    expect(legs.get('w')).toBe(wake);
  });
});

describe('why a leg is hung up, where Asterisk takes no code', () => {
  it.each([
    [17, 'busy'],
    [19, 'no_answer'],
    [21, 'rejected'],
    [26, 'answered_elsewhere'],
    [127, 'interworking'],
    [16, 'normal'],
    [999, 'normal'],
  ])('%i is %s', (cause, reason) => expect(reasonOf(cause)).toBe(reason));

  const described = (names: readonly string[]) => ({
    apis: [
      { path: '/channels', operations: [{ httpMethod: 'DELETE', parameters: [{ name: 'other' }] }] },
      {
        path: '/channels/{channelId}',
        operations: [
          { httpMethod: 'GET', parameters: [{ name: 'reason_code' }] },
          { httpMethod: 'DELETE', parameters: names.map((name) => ({ name })) },
        ],
      },
    ],
  });
  it.each([
    ['22', described(['channelId', 'reason_code', 'reason']), true],
    ['16', described(['channelId', 'reason']), false],
    ['nothing', undefined, false],
    ['no description', { apis: 'none' }, false],
  ])('what %s says of itself', (_what, description, takes) => {
    expect(parametersOf(description, '/channels/{channelId}', 'DELETE').includes('reason_code')).toBe(takes);
  });
});
