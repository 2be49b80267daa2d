/**
 * How long a call waits for pushwake on a real FreeSWITCH: INVITE to push, REGISTER to INVITE, in turn with the floor
 * (`freeswitch/floor.ts`), which is FreeSWITCH's own event delivery: its event socket writes every 20 ms. `--calls=200` per figure.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { locateFreeswitch } from '../support/freeswitch/index.ts';
import { FREESWITCH_DIALPLAN, FREESWITCH_ESL_PASSWORD, FreeswitchScene } from '../support/freeswitch-scene.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { Result, Suite } from './bench.ts';
import { startFloor } from './freeswitch/floor.ts';

/** Rounds that are not counted. */
const WARM_UP = 10;
const USERS = ['1001', '1002', '1003', '2000'];
const EXTENSIONS = `<extension name="floor"><condition field="destination_number" expression="^6(\\d+)$">
<action application="ring_ready"/>
<action application="event" data="Event-Name=CUSTOM,Event-Subclass=bench::call,pushwake-aor=$1@${REALM}"/>
<action application="sleep" data="3000"/></condition></extension>
${FREESWITCH_DIALPLAN}`;

/** The event socket writes once in so many ms. */
const ROUND_MS = 20;
/** What is measured begins at any point of a round: the traffic before it would else decide at which, and so whether a round is missed. */
const anyPoint = () => delay(Math.random() * ROUND_MS);

const percentile = (values: readonly number[], p: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] as number;

export const freeswitch: Suite = async (progress, options) => {
  if (!locateFreeswitch()) {
    throw new Error('there is no FreeSWITCH: name its prefix in PUSHWAKE_FREESWITCH, or put it on the PATH');
  }
  const calls = Number(options.get('calls') ?? 200);
  const users = USERS.map((id) => ({ id }));
  const scene = await FreeswitchScene.start({ users, extensions: EXTENSIONS, debug: false });
  const floor = await startFloor(scene.freeswitch.ports.esl, FREESWITCH_ESL_PASSWORD);
  try {
    progress(scene.freeswitch.version);
    const caller = await scene.phone('2000');
    await caller.register();
    const ours = await scene.phone('1001', { transport: 'tcp' });
    const identity = scene.install();
    await scene.bind(ours, identity);
    await scene.marked(`1001@${REALM}`);
    const theirs = await scene.phone('1002', { transport: 'tcp', answer: { kind: 'reject', code: 486 } });
    await theirs.register();
    const found = { oursPush: [], floorPush: [], oursInvite: [], floorInvite: [] } as Record<string, number[]>;

    for (let i = -WARM_UP; i < calls; i++) {
      const keep = (name: string, ms: number) => void (i >= 0 && found[name]?.push(ms));
      // Ours: a call pushes, the phone registers, rings, is given up.
      await ours.sleep();
      const nth = ours.incoming.length;
      const pushed = Promise.withResolvers<number>();
      const stop = scene.apns.onPush(identity.voip, (push) => pushed.resolve(push.atMs));
      await anyPoint();
      const call = await caller.call('1001');
      keep('oursPush', (await pushed.promise) - call.invitedAt);
      stop();
      await ours.wake();
      await anyPoint();
      const registered = await ours.register({ contactParams: identity.params, newCallId: true });
      const rung = await ours.waitForCall(5_000, nth + 1);
      keep('oursInvite', rung.receivedAt - registered.sentAt);
      call.cancel();
      await Promise.all([call.done, rung.waitForState('cancelled')]);

      // The floor: the event of a call arrives; a REGISTER is answered by an INVITE.
      const heard = Promise.withResolvers<number>();
      floor.onCall = (_, at) => heard.resolve(at);
      await anyPoint();
      const other = await caller.call('61002');
      keep('floorPush', (await heard.promise) - other.invitedAt);
      other.cancel();
      await other.done;
      floor.ring(`1002@${REALM}`);
      await anyPoint();
      const before = theirs.incoming.length;
      const refreshed = await theirs.register({ newCallId: true });
      const came = await theirs.waitForCall(5_000, before + 1);
      keep('floorInvite', came.receivedAt - refreshed.sentAt);
      if (i % 50 === 0 && i > 0) progress(`${i} of ${calls} calls`);
    }
    return results(found);
  } finally {
    floor.close();
    await scene.close();
  }
};

function results(found: Readonly<Record<string, readonly number[]>>): Result[] {
  const figures: Result[] = [{ name: 'calls per figure', value: found.oursPush?.length ?? 0, unit: '' }];
  for (const [what, ours, floor] of [
    ['INVITE to push (floor: INVITE to event)', found.oursPush, found.floorPush],
    ['REGISTER to INVITE', found.oursInvite, found.floorInvite],
  ] as const) {
    for (const [name, p] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const) {
      const [a, b] = [percentile(ours ?? [], p), percentile(floor ?? [], p)];
      figures.push({ name: `${what}, ours, ${name}`, value: a, unit: 'ms' });
      figures.push({ name: `${what}, floor, ${name}`, value: b, unit: 'ms' });
      figures.push({ name: `${what}, ratio, ${name}`, value: a / b, unit: '×', target: '<= 1.3' });
    }
  }
  return figures;
}
