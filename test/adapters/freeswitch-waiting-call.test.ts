/** A waiting call by itself: what it orders when things come in another order than they mostly do. */

import { describe, expect, it } from 'vitest';
import { NO_EXPORTS } from '../../adapters/pbx/freeswitch/calls/exports.ts';
import { WaitingCall } from '../../adapters/pbx/freeswitch/calls/waiting-call.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { instant } from '../../plugin/core/time.ts';
import type { LegOutcome, PbxEvent } from '../../plugin/ports/pbx-link.ts';

const DIAL = 'sofia/internal/sip:1001@127.0.0.9:5060';
const REF = 'w00000002d0011223344556677';

/** Taken up by a new life of ours; whoever hears of a leg orders it to ring at once, for its phone has registered already. */
function takenUp(originate: () => Promise<LegOutcome> = async () => 'done'): {
  call: WaitingCall;
  originated: string[];
  killed: string[];
  told: PbxEvent[];
} {
  const originated: string[] = [];
  const killed: string[] = [];
  const told: PbxEvent[] = [];
  const call: WaitingCall = new WaitingCall({
    pbx: 'office',
    aor: '1001@example.com' as Aor,
    legId: 'caller',
    failsOn: undefined,
    written: '',
    forked: false,
    enterprise: false,
    said: async () => undefined,
    othersAnswered: () => false,
    caller: { uuid: 'caller', number: '2000', name: '', hidden: false },
    context: 'pushwake',
    answered: false,
    exports: NO_EXPORTS,
    takenUp: true,
    startedAt: instant(0),
    secondsLeft: () => 30,
    orders: {
      compose: async () => 'done',
      originate: (_, command) => {
        originated.push(command);
        return originate();
      },
      isThere: async () => false,
      kill: async (uuid, cause) => {
        killed.push(`${uuid} ${cause}`);
        return 'done';
      },
      letGo: () => undefined,
      set: () => undefined,
      newUuid: () => 'fresh',
      later: () => undefined,
    },
    emit: (event) => {
      told.push(event);
      if (event.type === 'deviceLegArrived') call.ring(event.leg.ref, DIAL).catch(() => undefined);
    },
    onAdopted: () => undefined,
    onOver: () => undefined,
  });
  return { call, originated, killed, told };
}

it('a phone that rings since an earlier life of ours is not rung again by the REGISTER that comes first', async () => {
  const { call, originated, told } = takenUp();
  const adopted = [{ ref: 'w00000001d0011223344556677', uuid: 'rings' }];
  await call.compose('c', [{ kind: 'device', ref: REF }], adopted);
  await new Promise((turn) => setImmediate(turn));
  expect(originated).toEqual([]);
  expect(told.map((e) => e.type)).toEqual(['deviceLegArrived', 'legRinging']);
  expect(call.channels).toEqual([{ ref: REF, uuid: 'rings' }]);
});

it('one that does not is', async () => {
  const { call, originated } = takenUp();
  await call.compose('c', [{ kind: 'device', ref: REF }]);
  await new Promise((turn) => setImmediate(turn));
  expect(originated).toHaveLength(1);
});

it('an order to dial that went down with the link is given again when the link is back; one that was taken is not', async () => {
  let link: 'breaks' | 'works' = 'breaks';
  const { call, originated, told } = takenUp(async () => {
    if (link === 'breaks') throw new Error('the link is down');
    return 'done';
  });
  await call.compose('c', [{ kind: 'device', ref: REF }]);
  await new Promise((turn) => setImmediate(turn));
  link = 'works';
  const there = new Map([['caller', { talks: false }]]);
  call.resume(there, call.channels);
  await new Promise((turn) => setImmediate(turn));
  expect(originated).toHaveLength(2);
  expect(originated[1]).toBe(originated[0]);
  expect(told.map((e) => e.type)).not.toContain('legEnded');

  // Taken, and its channel is not there: its phone has gone.
  call.resume(there, call.channels);
  expect(originated).toHaveLength(2);
  expect(told.map((e) => e.type)).toContain('legEnded');
});

describe('a woken phone that no INVITE has reached', () => {
  const NEXT = 'sofia/internal/sip:1001@127.0.0.9:5062';
  const settled = () => new Promise((turn) => setImmediate(turn));
  const dialled = async () => {
    const made = takenUp();
    await made.call.compose('c', [{ kind: 'device', ref: REF }]);
    await settled();
    return made;
  };

  it('waits anew, with the cause, and is dialled again', async () => {
    const { call, originated, told } = await dialled();
    call.legEnded(REF, 'fresh', 'RECOVERY_ON_TIMER_EXPIRE');
    await settled();
    expect(told.at(-1)).toMatchObject({ type: 'deviceLegArrived', notReached: 18 });
    expect(originated).toHaveLength(2);
  });

  it('is dialled at another address in place of the first, whose end is no news', async () => {
    const { call, originated, killed, told } = await dialled();
    await call.ring(REF, NEXT);
    expect(killed).toEqual(['fresh LOSE_RACE']);
    expect(originated[1]).toContain(NEXT);
    expect(told.map((e) => e.type)).not.toContain('legEnded');
  });

  it('has ended where it said no, or where one refusal ends the call', async () => {
    const { call, told } = await dialled();
    call.legEnded(REF, 'fresh', 'USER_BUSY');
    expect(told.at(-1)).toMatchObject({ type: 'legEnded', cause: 17 });
  });
});

it('an order to dial that FreeSWITCH did not say it took is given again when the core asks', async () => {
  let refused = 0;
  const { call, originated } = takenUp(async () => {
    if (refused++ === 0) throw new Error('overloaded');
    return 'done';
  });
  await call.compose('c', [{ kind: 'device', ref: REF }]);
  await new Promise((turn) => setImmediate(turn));
  expect(originated).toHaveLength(1);
  expect(await call.ring(REF, DIAL)).toBe('done');
  expect(originated).toEqual([originated[0], originated[0]]);
  expect(await call.ring(REF, DIAL), 'it was taken').toBe('done');
  expect(originated).toHaveLength(2);
});
