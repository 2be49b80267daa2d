/** A runtime over parts of a test, with everything that most tests do not look at set to the simplest there is. */
import type { Policy } from '../../plugin/core/policy.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY } from '../../plugin/core/time.ts';
import type { PushProvider } from '../../plugin/ports/push-provider.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime, type RuntimeOptions } from '../../plugin/runtime/runtime.ts';

export type SmallRuntime = Pick<RuntimeOptions, 'clock' | 'log' | 'store' | 'links' | 'randomHex'> &
  Partial<RuntimeOptions> & {
    readonly service: PushProvider;
    /** What differs from the defaults. */
    readonly policy?: Partial<Policy>;
  };

export function smallRuntime({ service, policy = {}, ...options }: SmallRuntime): Runtime {
  const { clock, log } = options;
  return new Runtime({
    mode: 'full',
    delivery: createDelivery({ providers: [service], clock, log, random: () => 0.5 }),
    policyFor: () => () => ({ ...DEFAULT_POLICY, ...policy }),
    noticeText: (_aor, notice) => ({ body: `${notice}: {count}` }),
    realmOf: () => 'example.com',
    forgetAfterMs: DAY,
    brake: false,
    ...options,
  });
}
