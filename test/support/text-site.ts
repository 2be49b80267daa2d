/** A runtime that keeps texts, over a PBX, a push service and stores in memory, on a clock that the test turns. */
import type { Aor } from '../../plugin/core/aor.ts';
import type { Policy } from '../../plugin/core/policy.ts';
import type { OutEvent } from '../../plugin/ports/event-sink.ts';
import type { Runtime, RuntimeSettings } from '../../plugin/runtime/runtime.ts';
import { contactUri, MONDAY } from './builders.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { FakePbx } from './fake-pbx.ts';
import { MemoryStore } from './memory-store.ts';
import { RecordedLog } from './recorded-log.ts';
import { ScriptedPushProvider } from './scripted-push-provider.ts';
import { smallRuntime } from './small-runtime.ts';

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
    this.runtime = smallRuntime({
      clock: this.clock,
      log: this.log,
      store: this.store,
      links: [this.pbx],
      service: this.service,
      policy,
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
      randomHex: (bytes) => (++ids).toString(16).padStart(2 * bytes, '0'),
      messages: { wake: true, showText: false },
      ...settings,
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

  /** Accounts from 1100 on, each with a phone that sleeps. */
  async sleepers(count: number): Promise<readonly Aor[]> {
    const users = Array.from({ length: count }, (_, n) => String(1_100 + n));
    for (const [n, user] of users.entries()) this.pbx.register(user, uriOf(100 + n), { told: true });
    await this.idle();
    const accounts = users.map((user) => `${user}@example.com` as Aor);
    for (const [n, aor] of accounts.entries()) this.pbx.remove(aor, uriOf(100 + n));
    await this.idle();
    return accounts;
  }

  /** `quickly`: what follows from it may still be under way. */
  async text(
    id: string,
    more: { body?: string; from?: string; contentType?: string; aor?: Aor } = {},
    how: 'done' | 'quickly' = 'done',
  ): Promise<void> {
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
    await (how === 'done' ? this.idle() : settle(3));
  }

  answerOf(id: string): unknown {
    return this.pbx.orders.findLast((o) => o.order === 'answerText' && o.id === id)?.answer;
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
