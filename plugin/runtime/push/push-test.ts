/**
 * One harmless push to each device of an account, sent by hand: a refresh, at which the app just registers, or a visible
 * notice. Also in `observe`: it is a person who asks. Changes no record, whatever the service says.
 */
import type { Aor } from '../../core/aor.ts';
import { type AorRecord, isLive } from '../../core/binding.ts';
import { type Instant, MINUTE, plus } from '../../core/time.ts';
import type { PushOutcome } from '../../ports/push-provider.ts';
import type { Delivery } from './delivery.ts';

export type TestPurpose = 'refresh' | 'notice';

export interface PushTest {
  readonly bindingId: string;
  /** Absent: it cannot be sent a push of this purpose. */
  readonly provider?: string;
  readonly app?: string;
  /** Fingerprint. */
  readonly token?: string;
  readonly outcome: PushOutcome;
}

/** Nobody waits longer for a verdict. */
const VERDICT_WITHIN = MINUTE / 2;
export const TEST_NOTICE = 'This is a test of your telephone system. There is nothing to do.';

export async function testPush(
  delivery: Delivery,
  record: AorRecord | undefined,
  aor: Aor,
  purpose: TestPurpose,
  now: Instant,
): Promise<readonly PushTest[]> {
  const live = (record?.bindings ?? []).filter(isLive);
  return Promise.all(
    live.map(async ({ id, targets }): Promise<PushTest> => {
      const target = delivery.targetFor(purpose, targets);
      if (!target) return { bindingId: id, outcome: { kind: 'failed', reason: 'no target for this purpose' } };
      const common = { aor, collapseId: `pushwake-test-${id}`, expiresAt: plus(now, VERDICT_WITHIN) };
      const outcome = await delivery.send(
        purpose === 'refresh' ? { purpose, ...common } : { purpose, ...common, notice: 'soon', body: TEST_NOTICE },
        targets,
      );
      const { provider, app, token } = target;
      return { bindingId: id, provider, app, token: token.fingerprint, outcome };
    }),
  );
}
