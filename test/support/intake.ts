/** An intake over records of a test: its brake is off unless the test brings one. */
import type { Logger } from '../../plugin/ports/adapter.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import { Brake } from '../../plugin/runtime/bindings/brake.ts';
import type { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { Intake, type IntakeOptions } from '../../plugin/runtime/intake.ts';

export function intakeOver(o: {
  readonly records: Bindings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly brake?: Brake;
  readonly receiptOf?: IntakeOptions['receiptOf'];
}): Intake {
  const { clock, log } = o;
  const off = () =>
    new Brake({ clock, log, store: { countDue: async () => 0 }, liveOf: async () => undefined, enabled: false });
  return new Intake({
    receiptOf: () => 'none',
    observing: () => false,
    ...o,
    brake: o.brake ?? off(),
    maximumExpires: async () => undefined,
  });
}
