/** A runtime that keeps texts, over a PBX, a push service and stores in memory, on a clock that the test turns. */
import type { Aor } from '../../plugin/core/aor.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { DAY } from '../../plugin/core/time.ts';
import type { OutEvent } from '../../plugin/ports/event-sink.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime, type RuntimeSettings } from '../../plugin/runtime/runtime.ts';
import { contactUri, MONDAY } from './builders.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { FakePbx } from './fake-pbx.ts';
import { MemoryStore } from './memory-store.ts';
import { RecordedLog } from './recorded-log.ts';
import { ScriptedPushProvider } from './scripted-push-provider.ts';

export const ACCOUNT = '1001@example.com' as Aor;
export const FROM = '"Zoë" <sip:77001234@example.com>';

export interface TextSiteOptions {
  readonly policy?: Partial<Policy>;
  readonly settings?: Partial<RuntimeSettings>;
  readonly clock?: FakeClock;
  readonly store?: MemoryStore;
  readonly pbx?: FakePbx;
}

export class TextSite {
  readonly clock: FakeClock;
  readonly pbx: FakePbx;
  readonly store: MemoryStore;
  readonly service = new ScriptedPushProvider('apns');
  readonly log = new RecordedLog();
  readonly events: OutEvent[] = [];
  readonly runtime: Runtime;

  constructor({ policy = {}, settings = {}, clock, store, pbx }: TextSiteOptions = {}) {
    this.clock = clock ?? new FakeClock(MONDAY);
    this.pbx = pbx ?? new FakePbx({ clock: this.clock });
    this.store = store ?? new MemoryStore();
    let ids = 0;
    this.runtime = new Runtime({
      mode: settings.mode ?? 'full',
      clock: this.clock,
      log: this.log,
      store: this.store,
      links: [this.pbx],
      delivery: createDelivery({ providers: [this.service], clock: this.clock, log: this.log, random: () => 0.5 }),
      policyFor: () => () => ({ ...DEFAULT_POLICY, ...policy }),
      noticeText: (_aor, notice) => ({ body: `${notice}: {count}` }),
      sinks: [
        {
          name: 'crm',
          wants: () => true,
          send: async (event) => {
            this.events.push(event);
            return 'taken';
          },
          close: async () => undefined,
        },
      ],
      realmOf: () => 'example.com',
      randomHex: (bytes) => (++ids).toString(16).padStart(2 * bytes, '0'),
      forgetAfterMs: DAY,
      brake: false,
      showCaller: settings.showCaller ?? false,
      messages: settings.messages ?? { wake: true, showText: false },
    });
  }

  async start(): Promise<this> {
    await this.runtime.start();
    await this.idle();
    return this;
  }

  /** Nothing is under way any more. */
  async idle(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await settle();
      await this.runtime.idle();
    }
  }

  /** A phone registers: the first is 1. It is told as a PBX tells it. */
  async register(phone = 1): Promise<string> {
    const uri = uriOf(phone);
    this.pbx.register('1001', uri, { told: true });
    await this.idle();
    return uri;
  }

  /** Its contact is gone from the PBX, as after a day. */
  async asleep(phone = 1): Promise<string> {
    const uri = await this.register(phone);
    this.pbx.remove(ACCOUNT, uri);
    await this.idle();
    return uri;
  }

  async text(id: string, more: { body?: string; from?: string; contentType?: string; aor?: Aor } = {}): Promise<void> {
    const { body = `text ${id}`, from = FROM, contentType = 'text/plain', aor = ACCOUNT } = more;
    this.pbx.emit({
      type: 'textArrived',
      pbx: 'office',
      id,
      aor,
      from,
      to: '<sip:1001@example.com>',
      contentType,
      body,
    });
    await this.idle();
  }

  /** What was sent to phones, in order: which phone, which text. */
  get sent(): readonly string[] {
    return this.pbx.orders.flatMap((o) => (o.order === 'sendText' ? [`${phoneOf(String(o.uri))}: ${o.body}`] : []));
  }

  get answers(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(this.pbx.orders.flatMap((o) => (o.order === 'answerText' ? [[o.id, o.answer]] : [])));
  }

  get pushes() {
    return this.service.requests.flatMap((r) => (r.purpose === 'message' ? [r] : []));
  }
}

export const uriOf = (phone: number): string =>
  contactUri({ port: 40_000 + phone, voip: `a${phone}`.padEnd(64, '0'), other: `b${phone}`.padEnd(64, '0') });
const phoneOf = (uri: string): number => Number(/:(\d{5})/.exec(uri)?.[1]) - 40_000;
