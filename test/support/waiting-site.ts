/** Waiting calls with a PBX, a push service, a store and a clock that a test writes: one account with one device unless said otherwise. */
import type { AorRecord } from '../../plugin/core/binding.ts';
import type { Effect } from '../../plugin/core/events.ts';
import { DEFAULT_POLICY, type Mode, type Policy } from '../../plugin/core/policy.ts';
import { DAY } from '../../plugin/core/time.ts';
import type { Wake } from '../../plugin/core/wake.ts';
import type { BindingStore } from '../../plugin/ports/binding-store.ts';
import type { PbxEvent } from '../../plugin/ports/pbx-link.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { TraceBook } from '../../plugin/runtime/calls/trace-book.ts';
import { Wakes } from '../../plugin/runtime/calls/waiting-calls.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { AOR, BINDING, bindingEndingIn, MONDAY, recordOf } from './builders.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { FakePbx } from './fake-pbx.ts';
import { intakeOver } from './intake.ts';
import { RecordedLog } from './recorded-log.ts';
import { ScriptedPushProvider } from './scripted-push-provider.ts';

export const STEM = 'w0000000a';
export const REFS = { device: `${STEM}d${BINDING}`, stored: `${STEM}s${BINDING}` };

export class WaitingSite {
  readonly clock = new FakeClock(MONDAY);
  readonly log = new RecordedLog();
  readonly push = new ScriptedPushProvider('apns');
  readonly pbx = new FakePbx({ clock: this.clock });
  readonly traces = new TraceBook();
  readonly watched: boolean[] = [];
  readonly wakes: Wakes;
  record: AorRecord | undefined = recordOf(bindingEndingIn(6 * DAY, MONDAY));
  /** Reading waits for it, writing too. */
  store: Promise<void> = Promise.resolve();
  written = 0;

  /** What the lifecycle asked for; nothing is carried out. */
  readonly effects: Effect[] = [];
  /** Calls that are over. */
  readonly over: Wake[] = [];

  constructor(mode: Mode = 'full', showCaller?: boolean, policy: Partial<Policy> = {}) {
    const { clock, log } = this;
    this.pbx.watch = (...args: unknown[]) => void this.watched.push(args[1] as boolean);
    const store: Pick<BindingStore, 'name' | 'get' | 'put'> = {
      name: 'memory',
      get: async () => {
        await this.store;
        return this.record;
      },
      put: async (record, version) => {
        await this.store;
        this.written++;
        this.record = { ...record, version: version + 1 };
        return { ok: true, version: version + 1 };
      },
    };
    const bindings = new Bindings({
      store: store as BindingStore,
      clock,
      log,
      policyFor: () => () => ({ ...DEFAULT_POLICY, ...policy }),
      onEffects: (_aor, _record, effects) => void this.effects.push(...effects),
    });
    this.wakes = new Wakes({
      mode,
      clock,
      log,
      bindings,
      intake: intakeOver({ records: bindings, clock, log, newId: () => '00000000000000ff' }),
      delivery: createDelivery({ providers: [this.push], clock, log, random: () => 0.5 }),
      links: new Map([['office', this.pbx]]),
      policyFor: () => () => ({ ...DEFAULT_POLICY, ...policy }),
      traces: this.traces,
      ...(showCaller === undefined ? {} : { showCaller }),
      watchElsewhere: () => undefined,
      newStem: () => STEM.slice(1),
      onOver: (wake) => void this.over.push(wake),
    });
  }

  async start(): Promise<this> {
    await this.pbx.start((event) => void this.wakes.onPbxEvent(event));
    return this;
  }

  async tell(...events: PbxEvent[]): Promise<void> {
    for (const event of events) this.pbx.emit(event);
    await settle(3);
  }

  call(): Promise<void> {
    return this.tell(arrival);
  }

  orders(name: string): unknown[] {
    return this.pbx.orders.filter((o) => o.order === name);
  }

  get pushed(): string[] {
    return this.push.requests.map((r) => (r.purpose === 'cancel' ? `${r.purpose} ${r.word}` : r.purpose));
  }
}

export const arrival: Extract<PbxEvent, { type: 'wakeLegArrived' }> = {
  type: 'wakeLegArrived',
  pbx: 'office',
  leg: { legId: 'wake', aor: AOR, linkedId: 'linked-1' },
  startedAt: MONDAY,
};
export const leg = (kind: 'device' | 'stored', o: { takenUp?: boolean } = {}): PbxEvent => ({
  type: 'deviceLegArrived',
  pbx: 'office',
  leg: { legId: kind, kind, ref: REFS[kind], aor: AOR, callId: 'the-call' },
  startedAt: MONDAY,
  takenUp: o.takenUp ?? false,
});
export const ended = (legId: string, cause: number, hungUp = true): PbxEvent => ({
  type: 'legEnded',
  pbx: 'office',
  legId,
  cause,
  hungUp,
});
