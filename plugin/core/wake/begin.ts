/** How a wake begins: by a call that arrives, or by one that waited while we were away. */
import type { AorRecord, Binding, Target } from '../binding.ts';
import type { Policy } from '../policy.ts';
import { type DurationMs, plus } from '../time.ts';
import type { Wake, WakeArrival, WakeDevice, WakeEffect } from './types.ts';
import { status } from './words.ts';

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
): { wake: Wake; effects: readonly WakeEffect[] } {
  const devices: WakeDevice[] = [];
  let ringTimeMs = 0;
  for (const binding of record?.bindings ?? []) {
    const target = targetFor(binding);
    if (!target || binding.ending) continue;
    ringTimeMs = Math.max(ringTimeMs, policyFor(binding).ringTimeMs);
    const device = newDevice(arrival.stem, binding, target);
    if (awake(binding)) Object.assign(device, { push: 'awake', pushes: 0, told: true });
    devices.push(device);
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
  if (devices.length === 0) {
    // Nothing of ours in this call: the plain path, as if we were not there.
    return {
      wake,
      effects: [
        { type: 'step', step: { step: 'plainPath', why: 'noBinding' } },
        ...status(wake, 'NOBINDING', wake.wakeLeg),
        { type: 'compose', ring: [] },
        { type: 'over' },
      ],
    };
  }
  return {
    wake,
    effects: [
      ...devices.flatMap((device): WakeEffect[] =>
        device.push === 'awake'
          ? [{ type: 'step', step: { step: 'awakeAlready', device: device.bindingId } }]
          : [{ type: 'push', device }],
      ),
      { type: 'ask' },
      ...status(wake, 'NOBODY', wake.wakeLeg),
      { type: 'watch', on: true },
    ],
  };
}

function newDevice(stem: string, binding: Binding, target: Target): WakeDevice {
  return {
    bindingId: binding.id,
    binding,
    target,
    ref: `${stem}d${binding.id}`,
    storedRef: `${stem}s${binding.id}`,
    deviceState: 'none',
    storedState: 'none',
    ringStoredAtOnce: false,
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
  if (wake) {
    wake.devices.push(device);
    return wake;
  }
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
