/** Builds a runtime from a checked configuration and the adapters that were loaded. */
import { hostname } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { random, randomId, systemClock } from '../../adapters/clock/system/index.ts';
import type { LoadedConfig } from '../../config/load.ts';
import type { Targets } from '../core/binding.ts';
import type { Instant } from '../core/time.ts';
import { callKey } from '../http/call-key.ts';
import { type AdapterModule, readManifest } from '../manifest.ts';
import type { Logger } from '../ports/adapter.ts';
import type { BindingStore } from '../ports/binding-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { Observer } from '../ports/observer.ts';
import { createDelivery } from '../runtime/push/delivery.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { Adapters } from './adapters.ts';
import { LiveConfig } from './live-config.ts';
import { youngGarbageCollector } from './young-garbage.ts';

/** The clock the bindings live by, and the one for disks and wires: one and the same but in demonstrations. */
export interface Clocks {
  readonly clock: Clock;
  readonly wire: Clock;
}

function machineClocks(): Clocks {
  const clock = systemClock();
  return { clock, wire: clock };
}

/** Builds a runtime from a checked configuration. Throws `ConfigError` for what only an adapter can find (an unreadable key). */
export function compose(
  config: LoadedConfig,
  found: Adapters,
  log: Logger,
  clocks: Clocks = machineClocks(),
  observer?: Observer,
  live: LiveConfig = new LiveConfig(config, found, log, clocks.wire),
): Runtime {
  const { clock, wire } = clocks;
  const { devices } = config.http;
  const delivery = createDelivery({ providers: live.providers, clock: wire, log, random });
  const store = found.store.get(config.store.type) as AdapterModule<BindingStore>;
  return new Runtime({
    mode: config.mode,
    clock,
    wire,
    log,
    store: store.create(config.store.options, live.depsFor(config.store.type)),
    links: live.links,
    sinks: live.sinks,
    delivery,
    policyFor: withoutRefreshes(live.policyFor, (targets) => !delivery.targetFor('refresh', targets)),
    noticeText: live.noticeText,
    realmOf: live.realmOf,
    randomHex: randomId,
    forgetAfterMs: config.forgetAfter,
    ...(devices && { callKey: (callId: string, until: Instant) => callKey(devices.accountSecret, callId, until) }),
    showCaller: config.calls.showCaller,
    messages: config.messages,
    node: { host: hostname(), version: readManifest().version },
    heapUse: () => {
      const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics();
      return { usedBytes, limitBytes };
    },
    betweenCalls: youngGarbageCollector(),
    ...(observer && { observer, counts: true }),
  });
}

/** Where the service has no push that asks an app silently to register, none is planned. */
function withoutRefreshes(
  policyFor: LiveConfig['policyFor'],
  hasNone: (targets: Targets) => boolean,
): LiveConfig['policyFor'] {
  return (aor) => {
    const of = policyFor(aor);
    return (binding) => {
      const policy = of(binding);
      return binding.targets.other && hasNone(binding.targets) ? { ...policy, refreshFromMs: 0 } : policy;
    };
  };
}
