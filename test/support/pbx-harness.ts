/** The contract's harness over a real PBX: SIP phones on one side, a line that can be cut on the other. */
import { systemClock } from '../../adapters/clock/system/index.ts';
import type { AdapterDeps } from '../../plugin/ports/adapter.ts';
import type { PbxEvent, PbxLink } from '../../plugin/ports/pbx-link.ts';
import type { HarnessCall, HarnessPhone, PbxHarness, RungCall } from '../contract/pbx-link.contract.ts';
import { passwordOf } from './asterisk/config.ts';
import { RecordedLog } from './recorded-log.ts';
import { type IncomingCall, SipPhone } from './sip-phone/index.ts';
import { TcpProxy } from './tcp-proxy.ts';

const TOLD_WITHIN_MS = 15_000;

/** What a link told, and somebody waiting for it. */
export class ToldEvents {
  readonly events: PbxEvent[] = [];
  readonly #waiting = new Set<() => void>();

  readonly add = (event: PbxEvent): void => {
    this.events.push(event);
    for (const look of [...this.#waiting]) look();
  };

  told<T extends PbxEvent['type']>(
    type: T,
    fits: (event: Extract<PbxEvent, { type: T }>) => boolean = () => true,
  ): Promise<Extract<PbxEvent, { type: T }>> {
    const found = () =>
      this.events.find((e): e is Extract<PbxEvent, { type: T }> => e.type === type && fits(e as never));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`no ${type} was told:\n${this.events.map((e) => JSON.stringify(e)).join('\n')}`));
      }, TOLD_WITHIN_MS);
      const look = () => {
        const event = found();
        if (!event) return;
        clearTimeout(late);
        this.#waiting.delete(look);
        resolve(event);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

export interface RealPbx {
  readonly ports: { readonly udp: number; readonly tcp: number; readonly tls: number };
  /** Where the link connects; or the line by which the PBX connects to it. */
  readonly linkPort: number | TcpProxy;
  stop(): Promise<void>;
}

/** `create` makes a link that connects to the given port of 127.0.0.1. */
export async function realHarness(
  pbx: RealPbx,
  create: (port: number, deps: AdapterDeps) => PbxLink,
): Promise<PbxHarness> {
  const { linkPort } = pbx;
  const proxy = typeof linkPort === 'number' ? await TcpProxy.start(linkPort) : linkPort;
  const log = new RecordedLog();
  const told = new ToldEvents();
  const link = create(proxy.port, { clock: systemClock(), log, name: 'office' });
  await link.start(told.add);
  const phones: SipPhone[] = [];
  const open = async (user: string, transport: 'udp' | 'tcp'): Promise<SipPhone> => {
    const phone = new SipPhone({
      user,
      password: passwordOf({ id: user }),
      server: { host: '127.0.0.1', ...pbx.ports },
      transport,
    });
    phones.push(phone);
    await phone.open();
    return phone;
  };
  const caller = await open('2000', 'udp');
  await caller.register();
  return {
    link,
    log,
    events: told.events,
    told: (type, fits) => told.told(type, fits),
    async phone(user): Promise<HarnessPhone> {
      const phone = await open(user, 'tcp');
      return {
        async register(params) {
          const { status } = await phone.register({ contactParams: params });
          if (status !== 200) throw new Error(`REGISTER: ${status}`);
        },
        async unregister() {
          await phone.unregister();
        },
        call: async (nth = 1) => rung(await phone.waitForCall(10_000, nth)),
        get calls() {
          return phone.incoming.length;
        },
      };
    },
    async call(user): Promise<HarnessCall> {
      const call = await caller.call(user);
      return {
        status: call.done.then((answer) => answer.status),
        cancel: () => call.cancel(),
        hangup: () => call.hangup().then(() => undefined),
      };
    },
    cut: () => proxy.cut(),
    mend: () => proxy.mend(),
    async stop() {
      await link.stop();
      for (const phone of phones) await phone.close();
      await proxy.close();
      await pbx.stop();
    },
  };
}

function rung(call: IncomingCall): RungCall {
  return {
    pushId: call.headers.get('X-Push-ID'),
    text: JSON.stringify(call.invites[0]?.message),
    answer: () => call.answer(),
    decline: () => call.reject(486),
    cancelled: () => call.waitForState('cancelled').then(() => undefined),
  };
}
