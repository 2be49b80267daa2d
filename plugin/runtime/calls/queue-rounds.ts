/**
 * A queue rings in rounds: each is a call of its own to us and the same call to the people. Who registered for one round is
 * awake for the next and need not be pushed again.
 */

import type { BindingId } from '../../core/binding.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import type { DurationMs } from '../../core/time.ts';
import { cameItself, type Wake } from '../../core/wake.ts';

/** Calls remembered. The oldest goes first. */
const CALLS = 2_000;

export class Rounds {
  readonly #came = new BoundedMap<string, { readonly devices: ReadonlySet<BindingId>; readonly atMs: number }>(
    upTo(CALLS),
  );

  over(wake: Wake, nowMs: number): void {
    const devices = wake.devices.filter(cameItself).map((d) => d.bindingId);
    this.#came.delete(wake.callId);
    if (devices.length === 0) return;
    this.#came.set(wake.callId, { devices: new Set(devices), atMs: nowMs });
  }

  isAwake(callId: string, device: BindingId, nowMs: number, forMs: DurationMs): boolean {
    const came = this.#came.get(callId);
    return came !== undefined && nowMs - came.atMs <= forMs && came.devices.has(device);
  }
}
