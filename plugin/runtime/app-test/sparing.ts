/** What is learnt from calls, but for those of an app that is being measured: a test must neither end a binding nor send word of missed calls. */
import type { Intake } from '../intake.ts';
import type { AppTests } from './app-tests.ts';

type Learns = Pick<Intake, 'fromWake' | 'fromMissed' | 'fromPushOutcome'>;

export function sparing(intake: Learns, tests: Pick<AppTests, 'measures' | 'placed'>): Learns {
  return {
    // A token that its service calls dead is dead, also in a test.
    fromPushOutcome: (...verdict) => intake.fromPushOutcome(...verdict),
    fromWake: (aor, ...wake) => (tests.measures(aor) ? Promise.resolve() : intake.fromWake(aor, ...wake)),
    fromMissed: (aor, devices, callId, ...more) =>
      tests.placed(callId) ? Promise.resolve() : intake.fromMissed(aor, devices, callId, ...more),
  };
}
