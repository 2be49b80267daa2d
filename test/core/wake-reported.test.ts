/** Waking apps that report their tokens over HTTP: their Contact says nothing of the device. */
import { describe, expect, it } from 'vitest';
import type { BindingId } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, plus } from '../../plugin/core/time.ts';
import { beginWake, stepWake, type Wake, type WakeEvent } from '../../plugin/core/wake.ts';
import { AOR, bindingEndingIn, MONDAY, recordOf } from '../support/builders.ts';
import { acrobits } from './lifecycle-reports.cases.ts';

const NOW = MONDAY;
const DESK = 'sip:1001@192.0.2.9:5060';
const FRESH = 'sip:1001@192.0.2.7:41000;transport=tls';

function wake(devices = 1): { refs: readonly string[]; step: (event: WakeEvent) => string[] } {
  const bindings = Array.from({ length: devices }, (_, i) =>
    bindingEndingIn(5 * DAY, NOW, {
      id: `${i}`.padStart(16, '0') as BindingId,
      targets: acrobits(`calls-${i}`, `other-${i}`),
      contacts: [],
      reportedAt: plus(NOW, -DAY),
    }),
  );
  const arrival = { pbx: 'office', aor: AOR, wakeLeg: 'w', callId: 'c', stem: 'w12345678', startedAt: NOW };
  const begun = beginWake(
    arrival,
    recordOf(...bindings),
    () => DEFAULT_POLICY,
    (b) => b.targets.call,
  );
  let now: Wake = begun.wake;
  const step = (event: WakeEvent) => {
    const { wake, effects } = stepWake(now, event, NOW, () => DEFAULT_POLICY);
    now = wake;
    return effects.flatMap((e) => (e.type === 'ring' ? [`${e.legId} rings ${e.contact?.uri}`] : []));
  };
  return { refs: begun.wake.devices.map((d) => d.legs.fresh.ref), step };
}

const asked = (...uris: string[]): WakeEvent => ({ type: 'Asked', contacts: uris.map((uri) => ({ uri })) });
const registered = (uri: string): WakeEvent => ({ type: 'Registered', contact: { uri } });

describe('a call for an app that reports over HTTP', () => {
  it('rings the contact that registers meanwhile', () => {
    const { refs, step } = wake();
    step(asked(DESK));
    expect(step({ type: 'LegArrived', legId: 'leg', ref: refs[0] ?? '' })).toEqual([]);
    expect(step(registered(FRESH))).toEqual([`leg rings ${FRESH}`]);
  });

  it('not the desk phone that rings already, when that registers again', () => {
    const { refs, step } = wake();
    step(asked(DESK));
    step({ type: 'LegArrived', legId: 'leg', ref: refs[0] ?? '' });
    expect(step(registered(DESK))).toEqual([]);
    expect(step(registered(FRESH))).toEqual([`leg rings ${FRESH}`]);
  });

  it('that registered before the PBX had said what it holds', () => {
    const { refs, step } = wake();
    step(registered(FRESH));
    step(registered(DESK));
    step(asked(DESK));
    expect(step({ type: 'LegArrived', legId: 'leg', ref: refs[0] ?? '' })).toEqual([`leg rings ${FRESH}`]);
  });

  it('each fresh contact takes one waiting leg, the same one never two', () => {
    const { refs, step } = wake(2);
    step(asked());
    for (const [i, ref] of refs.entries()) step({ type: 'LegArrived', legId: `leg${i}`, ref });
    expect(step(registered(FRESH))).toEqual([`leg0 rings ${FRESH}`]);
    expect(step(registered(FRESH))).toEqual([]);
    expect(step(registered(DESK))).toEqual([`leg1 rings ${DESK}`]);
  });

  it('another phone that says which one it is, of another app, is not taken for it', () => {
    const { refs, step } = wake();
    step(asked());
    step({ type: 'LegArrived', legId: 'leg', ref: refs[0] ?? '' });
    expect(step(registered(`${FRESH};pn-provider=fcm;pn-param=p;pn-prid=someone-else`))).toEqual([]);
  });
});
