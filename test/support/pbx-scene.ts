/**
 * What a whole scene on loopback has, whatever the PBX: pushwake as a process, the APNs stand-in, and phones that sleep and
 * are woken by their push. `scene.ts` adds a real Asterisk, `freeswitch-scene.ts` a real FreeSWITCH.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ApnsStandIn, ReceivedPush } from './apns-stand-in/index.ts';
import { passwordOf } from './asterisk/config.ts';
import type { LogLine, PushwakeProcess } from './pushwake-process.ts';
import { SipPhone, type SipPhoneOptions } from './sip-phone/index.ts';
import { StoredRecords } from './stored-records.ts';

export const REALM = 'example.com';

/** Tokens of one app install, as Apple gives them. */
export interface PushIdentity {
  readonly voip: string;
  readonly other: string;
  /** Contact parameters of RFC 8599 as Linphone on iOS writes them. */
  readonly params: string;
}

export interface WokenPhone {
  readonly pushes: ReceivedPush[];
  /** When each of its registrations was answered. */
  readonly registered: number[];
  /** Why it did not (its old port was taken by somebody else meanwhile, say). */
  readonly failures: unknown[];
  stop: () => void;
}

/** What differs from one start of pushwake to another. */
export interface PushwakeChanges {
  readonly mode?: string;
  readonly storePath?: string;
  /** The .p8 text of the stand-in's app. */
  readonly key?: string;
  /** Where the push service is, in place of the stand-in's own door. */
  readonly endpoint?: { readonly address: string; readonly port: number; readonly ca: string };
  /** Further push services: YAML lines, two blanks from the left margin. */
  readonly push?: string;
  /** Further YAML, at the left margin. */
  readonly more?: string;
}

export interface ScenePbx {
  readonly ports: { readonly udp: number; readonly tcp: number; readonly tls: number };
  stop(): Promise<void>;
}

/** Apple's tokens for an app that was just installed, and what it puts into its Contact. */
export function installApp(apns: ApnsStandIn): PushIdentity {
  const app = apns.apps[0];
  if (!app) throw new Error('the stand-in has no app');
  const [voip, other] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
  apns.register(voip, { voip: true });
  apns.register(other);
  const params = `;pn-provider=apns;pn-param=${app.teamId}.${app.bundleId}.voip&remote;pn-prid=${voip}:voip&${other}:remote`;
  return { voip, other, params };
}

/** Our part of a payload. */
export function ours(push: ReceivedPush): Record<string, unknown> {
  return (JSON.parse(push.json) as { pushwake?: Record<string, unknown> }).pushwake ?? {};
}

export abstract class PbxScene {
  readonly apns: ApnsStandIn;
  readonly pushwake: PushwakeProcess;
  readonly folder: string;
  readonly phones: SipPhone[] = [];
  readonly tokens: string[] = [];
  /** What pushwake has stored, read from outside. */
  readonly stored: StoredRecords;

  constructor(parts: { apns: ApnsStandIn; pushwake: PushwakeProcess; folder: string }) {
    this.apns = parts.apns;
    this.pushwake = parts.pushwake;
    this.folder = parts.folder;
    this.stored = new StoredRecords(this.storePath);
  }

  protected abstract readonly pbx: ScenePbx;

  get storePath(): string {
    return join(this.folder, 'bindings.db');
  }

  /** Starts pushwake and waits until its link is up. */
  async startPushwake(): Promise<void> {
    const from = this.pushwake.log.length;
    await this.pushwake.start();
    await this.waitForLog('pbx link up', from);
  }

  /** pushwake.yaml with these lines under `pbx.office`. */
  protected yamlWith(
    office: string,
    changes: PushwakeChanges,
    o: { mode?: string | undefined; policy?: string | undefined; debug?: boolean | undefined },
  ): string {
    const { apps, endpoint } = this.apns;
    const app = apps[0];
    if (!app) throw new Error('the stand-in has no app');
    return `mode: ${changes.mode ?? o.mode ?? 'full'}
store: { type: sqlite, path: ${JSON.stringify(changes.storePath ?? this.storePath)} }
pbx:
  office:
${office}push:
  apns:
    apps:
      - ${JSON.stringify({ ...app, key: changes.key ?? app.key })}
    endpoint: ${JSON.stringify(changes.endpoint ?? endpoint)}
${changes.push ?? ''}policy:
  ringTime: 30s
${o.policy ?? ''}
log: { level: ${o.debug === false ? 'info' : 'debug'} }
${changes.more ?? ''}`;
  }

  /** A phone on this PBX. Closed with the scene. */
  async phone(user: string, options: Partial<SipPhoneOptions> = {}): Promise<SipPhone> {
    const phone = new SipPhone({
      user,
      password: passwordOf({ id: user }),
      server: { host: '127.0.0.1', ...this.pbx.ports },
      transport: 'udp',
      ...options,
    });
    this.phones.push(phone);
    await phone.open();
    return phone;
  }

  /** Tokens of a new install of the stand-in's app. */
  install(): PushIdentity {
    const identity = installApp(this.apns);
    this.tokens.push(identity.voip, identity.other);
    return identity;
  }

  /** Registers a phone with push parameters and waits until pushwake has bound or renewed it. */
  async bind(phone: SipPhone, identity: PushIdentity, options: { expires?: number } = {}): Promise<void> {
    const from = this.pushwake.log.length;
    const result = await phone.register({ contactParams: identity.params, ...options });
    if (result.status !== 200) throw new Error(`REGISTER of ${phone.name}: ${result.status} ${result.reason}`);
    const aor = `${phone.user}@${phone.domain ?? REALM}`;
    const said = (l: LogLine) => l.aor === aor && /^binding (bound|renewed|token-changed|revived)$/.test(l.msg);
    await this.pushwake.waitForLog(said, { from, what: `a binding of ${phone.name}` });
    // The line may be about another device of the account.
    await this.stored.waitFor(aor, 'bound', (r) =>
      r.bindings.some((b) => b.targets.call?.token.reveal() === identity.voip),
    );
  }

  /** From now on the phone wakes by its call push, as an app does: opens a socket, registers. */
  wakeByPush(phone: SipPhone, identity: PushIdentity, o: { afterMs?: number; samePort?: boolean } = {}): WokenPhone {
    const woken: WokenPhone = { pushes: [], registered: [], failures: [], stop: () => undefined };
    woken.stop = this.apns.onPush(identity.voip, (push) => {
      woken.pushes.push(push);
      setTimeout(() => {
        void (async () => {
          if (!phone.isOpen) await phone.wake({ samePort: o.samePort ?? false });
          const result = await phone.register({ contactParams: identity.params, newCallId: true });
          woken.registered.push(result.at);
        })().catch((error: unknown) => woken.failures.push(error));
      }, o.afterMs ?? 50);
    });
    return woken;
  }

  /** Closing words this install was told, oldest first. */
  words(identity: PushIdentity): string[] {
    return this.apns.pushes
      .filter((p) => p.token === identity.other)
      .map((p) => ours(p) as { type?: string; ended?: string })
      .flatMap((p) => (p.type === 'cancel' && p.ended ? [p.ended] : []));
  }

  waitForLog(msg: string, from = 0, timeoutMs = 10_000): Promise<LogLine> {
    return this.pushwake.waitForLog((l) => l.msg === msg, { from, timeoutMs, what: `"${msg}"` });
  }

  async close(): Promise<void> {
    for (const phone of this.phones) await phone.close();
    await this.pushwake.stop();
    await this.pbx.stop();
    await this.apns.close();
    this.stored.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
