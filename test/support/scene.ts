/**
 * A whole scene on loopback: a real Asterisk with the shipped snippets, pushwake as a process, the APNs stand-in, and
 * phones that sleep and are woken by their push. The demo and the tests on a real PBX play in it.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ApnsStandIn, type ReceivedPush, startApnsStandIn } from './apns-stand-in/index.ts';
import { passwordOf, type SipUser } from './asterisk/config.ts';
import { type RunningAsterisk, startAsterisk } from './asterisk/index.ts';
import { type Entry, type LogLine, PushwakeProcess } from './pushwake-process.ts';
import { SipPhone, type SipPhoneOptions } from './sip-phone/index.ts';
import { StoredRecords } from './stored-records.ts';

export const REALM = 'example.com';
const ARI_PASSWORD = 'scene-ari-secret';
const HEP_PASSWORD = 'scene-hep-secret';

/** Words no INVITE, CDR, log or error may hold; each test searches for them. */
export const SECRETS: readonly string[] = [ARI_PASSWORD, HEP_PASSWORD];

export const shipped = (name: string): string =>
  fileURLToPath(new URL(`../../config/asterisk/${name}`, import.meta.url));

export interface SceneOptions {
  readonly name: string;
  readonly users?: readonly SipUser[];
  readonly hep?: boolean;
  readonly mode?: 'observe' | 'full';
  /** Further text of extensions.conf; calls come in context `internal`. */
  readonly extensions?: string;
  readonly queues?: string;
  /** YAML lines under `policy:`. */
  readonly policy?: string;
  /** Do not start pushwake yet. */
  readonly withoutPushwake?: boolean;
  /** Another way to start pushwake: on a clock that runs faster, say. */
  readonly entry?: Entry;
  /** Environment of pushwake, besides ours. */
  readonly env?: NodeJS.ProcessEnv;
  /** Debug lines in pushwake's log. Default true: tests search them for secrets. */
  readonly debug?: boolean;
}

/** Number → what it rings. 1XXX: through pushwake; 91XXX: the same extension as it would be without pushwake. */
export const DIALPLAN = `[internal]
exten => 1001,hint,PJSIP/1001&Stasis:pushwake-1001
exten => _1XXX,1,Dial(Local/\${EXTEN}@pushwake/n,30,tT)
 same => n,Goto(after,s,1)
exten => _91XXX,1,Dial(PJSIP/\${EXTEN:1},30,tT)
 same => n,Goto(after,s,1)
; desk phone and mobile ring together
exten => 5001,1,Dial(PJSIP/1002&Local/1001@pushwake/n,30,tT)
 same => n,Goto(after,s,1)
; short ring time
exten => 5201,1,Dial(Local/1001@pushwake/n,4)
 same => n,Goto(after,s,1)
exten => 2000,1,Dial(PJSIP/2000,30)
 same => n,Hangup(\${HANGUPCAUSE})

[after]
exten => s,1,Hangup(\${HANGUPCAUSE})
`;

export const DEFAULT_USERS: readonly SipUser[] = [
  { id: '1001', callerId: 'Mobile User <1001>' },
  { id: '1002', callerId: 'Desk Phone <1002>' },
  { id: '1003', callerId: 'Second Mobile <1003>' },
  { id: '2000', callerId: 'The Caller <2000>' },
];

/** Tokens of one app install, as Apple gives them. */
export interface PushIdentity {
  readonly voip: string;
  readonly other: string;
  /** Contact parameters of RFC 8599 as Linphone on iOS writes them. */
  readonly params: string;
}

export class Scene {
  readonly asterisk: RunningAsterisk;
  readonly apns: ApnsStandIn;
  readonly pushwake: PushwakeProcess;
  readonly folder: string;
  readonly phones: SipPhone[] = [];
  readonly tokens: string[] = [];
  /** What pushwake has stored, read from outside. */
  readonly stored: StoredRecords;
  readonly #options: SceneOptions;
  readonly #hepPort: number;

  private constructor(parts: {
    asterisk: RunningAsterisk;
    apns: ApnsStandIn;
    pushwake: PushwakeProcess;
    folder: string;
    options: SceneOptions;
    hepPort: number;
  }) {
    this.asterisk = parts.asterisk;
    this.apns = parts.apns;
    this.pushwake = parts.pushwake;
    this.folder = parts.folder;
    this.#options = parts.options;
    this.#hepPort = parts.hepPort;
    this.stored = new StoredRecords(this.storePath);
  }

  /** Where Asterisk sends its copies of SIP messages, and with which password. */
  get hepTarget(): { readonly port: number; readonly password: string } {
    return { port: this.#hepPort, password: HEP_PASSWORD };
  }

  get storePath(): string {
    return join(this.folder, 'bindings.db');
  }

  static async start(options: SceneOptions): Promise<Scene> {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-scene-'));
    const hepPort = options.hep ? await freeUdpPort() : 0;
    const [asterisk, apns] = await Promise.all([
      startAsterisk({
        // Two runs of one test side by side must not share a folder.
        name: `${options.name}-${process.pid}`,
        users: options.users ?? DEFAULT_USERS,
        extensions: options.extensions ?? DIALPLAN,
        ...(options.queues === undefined ? {} : { queues: options.queues }),
        snippets: [
          { file: shipped('pushwake-extensions.conf'), into: 'extensions.conf' },
          { file: shipped('pushwake-ari.conf'), into: 'ari.conf', replace: [['CHANGE-ME', ARI_PASSWORD]] },
          ...(options.hep
            ? [
                {
                  file: shipped('pushwake-hep.conf'),
                  into: 'hep.conf',
                  replace: [
                    ['CHANGE-ME', HEP_PASSWORD],
                    ['127.0.0.1:9060', `127.0.0.1:${hepPort}`],
                  ] as const,
                },
              ]
            : []),
        ],
      }),
      startApnsStandIn(),
    ]);
    const pushwake = new PushwakeProcess(join(folder, 'pushwake.yaml'), options.env, options.entry);
    const scene = new Scene({ asterisk, apns, pushwake, folder, options, hepPort });
    pushwake.configure(scene.yaml());
    if (!options.withoutPushwake) await scene.startPushwake();
    return scene;
  }

  /** Starts pushwake and waits until its link is up. */
  async startPushwake(): Promise<void> {
    const from = this.pushwake.log.length;
    await this.pushwake.start();
    await this.waitForLog('pbx link up', from);
  }

  yaml(
    changes: {
      /** Base address of ARI, by default Asterisk's own. */
      readonly url?: string;
      readonly password?: string;
      readonly mode?: string;
      readonly storePath?: string;
      /** The .p8 text of the stand-in's app. */
      readonly key?: string;
    } = {},
  ): string {
    const { apps, endpoint } = this.apns;
    const app = apps[0];
    if (!app) throw new Error('the stand-in has no app');
    return `mode: ${changes.mode ?? this.#options.mode ?? 'full'}
store: { type: sqlite, path: ${JSON.stringify(changes.storePath ?? this.storePath)} }
pbx:
  office:
    type: asterisk
    url: ${changes.url ?? `http://127.0.0.1:${this.asterisk.ports.ari}`}
    username: pushwake
    password: ${changes.password ?? ARI_PASSWORD}
    realm: ${REALM}
${this.#hepPort ? `    hep: { listen: "127.0.0.1:${this.#hepPort}", password: ${HEP_PASSWORD} }\n` : ''}push:
  apns:
    apps:
      - ${JSON.stringify({ ...app, key: changes.key ?? app.key })}
    endpoint: ${JSON.stringify(endpoint)}
policy:
  ringTime: 30s
${this.#options.policy ?? ''}
log: { level: ${this.#options.debug === false ? 'info' : 'debug'} }
`;
  }

  /** A phone on this Asterisk. Closed with the scene. */
  async phone(user: string, options: Partial<SipPhoneOptions> = {}): Promise<SipPhone> {
    const phone = new SipPhone({
      user,
      password: passwordOf({ id: user }),
      server: { host: '127.0.0.1', ...this.asterisk.ports },
      transport: 'udp',
      ...options,
    });
    this.phones.push(phone);
    await phone.open();
    return phone;
  }

  /** Tokens of a new install of the stand-in's app. */
  install(): PushIdentity {
    const app = this.apns.apps[0];
    if (!app) throw new Error('the stand-in has no app');
    const voip = randomBytes(32).toString('hex');
    const other = randomBytes(32).toString('hex');
    this.apns.register(voip, { voip: true });
    this.apns.register(other);
    this.tokens.push(voip, other);
    const params = `;pn-provider=apns;pn-param=${app.teamId}.${app.bundleId}.voip&remote;pn-prid=${voip}:voip&${other}:remote`;
    return { voip, other, params };
  }

  /** Registers a phone with push parameters and waits until pushwake has bound or renewed it. */
  async bind(phone: SipPhone, identity: PushIdentity, options: { expires?: number } = {}): Promise<void> {
    const from = this.pushwake.log.length;
    const result = await phone.register({ contactParams: identity.params, ...options });
    if (result.status !== 200) throw new Error(`REGISTER of ${phone.name}: ${result.status} ${result.reason}`);
    const aor = `${phone.user}@${REALM}`;
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
      .map((p) => (JSON.parse(p.json) as { pushwake?: { type?: string; ended?: string } }).pushwake)
      .flatMap((p) => (p?.type === 'cancel' && p.ended ? [p.ended] : []));
  }

  waitForLog(msg: string, from = 0, timeoutMs = 10_000): Promise<LogLine> {
    return this.pushwake.waitForLog((l) => l.msg === msg, { from, timeoutMs, what: `"${msg}"` });
  }

  /** Contacts Asterisk holds for an AOR, exactly as stored. Asking makes it drop those that have expired. */
  async contacts(aor: string): Promise<string[]> {
    const { url, user, password } = this.asterisk.ari;
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const answer = await fetch(`${url}/ari/asterisk/config/dynamic/res_pjsip/aor/${encodeURIComponent(aor)}`, {
      headers: { authorization },
    });
    if (!answer.ok) throw new Error(`Asterisk does not tell its contacts of ${aor}: ${answer.status}`);
    const fields = (await answer.json()) as { attribute: string; value: string }[];
    return fields.flatMap((f) => (f.attribute === 'contact' && f.value !== '' ? [f.value] : []));
  }

  async close(): Promise<void> {
    for (const phone of this.phones) await phone.close();
    await this.pushwake.stop();
    await this.asterisk.stop();
    await this.apns.close();
    this.stored.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface WokenPhone {
  readonly pushes: ReceivedPush[];
  /** When each of its registrations was answered. */
  readonly registered: number[];
  /** Why it did not (its old port was taken by somebody else meanwhile, say). */
  readonly failures: unknown[];
  stop: () => void;
}

function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
