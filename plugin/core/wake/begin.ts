/** Begins a wake: for a call that arrives, or for one that waited while we were away. */
import type { AorRecord, Binding, Target } from '../binding.ts';
import type { Policy } from '../policy.ts';
import { type DurationMs, plus } from '../time.ts';
import { CallDraft, type WakeStep } from './call-draft.ts';
import type { Wake, WakeArrival, WakeDevice } from './types.ts';

/**
 * A call arrives. The pushes go out at once, from the record alone; what the PBX holds is asked in parallel.
 * `targetFor` says where a call push of a binding goes, if any provider can send one. `awake`: it registered for an earlier
 * round of this call (a queue rings in rounds) a moment ago.
 */
export function beginWake(
  arrival: WakeArrival,
  record: AorRecord | undefined,
  policyFor: (b: Binding) => Policy,
  targetFor: (b: Binding) => Target | undefined,
  awake: (b: Binding) => boolean = () => false,
): WakeStep {
  const devices: WakeDevice[] = [];
  let ringTimeMs = 0;
  for (const binding of record?.bindings ?? []) {
    const target = targetFor(binding);
    if (!target || binding.ending) continue;
    ringTimeMs = Math.max(ringTimeMs, policyFor(binding).ringTimeMs);
    const device = newDevice(arrival.stem, binding, target);
    devices.push(awake(binding) ? { ...device, push: 'awake', pushes: 0, told: true } : device);
  }
  const wake: Wake = {
    pbx: arrival.pbx,
    aor: arrival.aor,
    ...(arrival.wakeLeg === undefined ? {} : { wakeLeg: arrival.wakeLeg }),
    callId: arrival.callId,
    startedAt: arrival.startedAt,
    endsAt: plus(arrival.startedAt, ringTimeMs),
    devices,
    rungAtOnce: [],
    early: [],
    phase: devices.length === 0 ? 'over' : 'asking',
  };
  const draft = new CallDraft(wake, arrival.startedAt, policyFor);
  if (devices.length === 0) {
    // This call has nothing for us to do: it takes the plain path, as if we were not there.
    draft.step({ step: 'plainPath', why: arrival.observed ? 'observed' : 'noBinding' });
    draft.status('NOBINDING', wake.wakeLeg);
    draft.do({ type: 'compose', ring: [] }, { type: 'over' });
    return draft.finish();
  }
  for (const device of draft.devices) {
    if (device.push === 'awake') draft.step({ step: 'awakeAlready', device: device.bindingId });
    else draft.do({ type: 'push', device });
  }
  draft.do({ type: 'ask' });
  draft.status('NOBODY', wake.wakeLeg);
  draft.do({ type: 'watch', on: true });
  return draft.finish();
}

function newDevice(stem: string, binding: Binding, target: Target): WakeDevice {
  return {
    bindingId: binding.id,
    binding,
    target,
    legs: {
      stored: { ref: `${stem}s${binding.id}`, state: 'none', atOnce: false },
      fresh: { ref: `${stem}d${binding.id}`, state: 'none' },
    },
    push: 'sent',
    pushes: 1,
    rang: false,
    told: false,
    shownLate: false,
  };
}

/**
 * A call that waited already when the link came up: we, or the link, had been away. The phones were pushed then; what is
 * left is to ring them when they register, or have registered meanwhile. Called once per device of the wake.
 */
export function takeUpDevice(
  wake: Wake | undefined,
  arrival: WakeArrival,
  binding: Binding,
  target: Target,
  ringTimeMs: DurationMs,
): Wake {
  const device = newDevice(arrival.stem, binding, target);
  if (wake) return { ...wake, devices: [...wake.devices, device] };
  return {
    pbx: arrival.pbx,
    aor: arrival.aor,
    callId: arrival.callId,
    startedAt: arrival.startedAt,
    endsAt: plus(arrival.startedAt, ringTimeMs),
    devices: [device],
    rungAtOnce: [],
    early: [],
    phase: 'waiting',
  };
}
