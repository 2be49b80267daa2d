/**
 * A whole scene on loopback: a real Asterisk with the shipped snippets, pushwake as a process, the APNs stand-in, and
 * phones that sleep and are woken by their push. The demo and the tests on a real PBX play in it.
 */
import { createSocket } from 'node:dgram';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ApnsStandIn, startApnsStandIn } from './apns-stand-in/index.ts';
import type { SipUser } from './asterisk/config.ts';
import { type AsteriskPorts, type RunningAsterisk, type Snippet, startAsterisk } from './asterisk/index.ts';
import { freePort } from './free-port.ts';
import { PbxScene, type PushwakeChanges, REALM } from './pbx-scene.ts';
import { type Entry, PushwakeProcess } from './pushwake-process.ts';

export { type PushIdentity, REALM, type WokenPhone } from './pbx-scene.ts';

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
  /** Modules to load that a PBX for softphones does without, without `.so`. */
  readonly modules?: readonly string[];
  /** Further snippets, besides the shipped ones. */
  readonly snippets?: readonly Snippet[];
  /** Further configuration files by name. */
  readonly extra?: Readonly<Record<string, string>>;
  /** YAML lines under `policy:`. */
  readonly policy?: string;
  /** The file of our dialplan. Default: the shipped one. */
  readonly dialplan?: string;
  /** The dialplan asks a second node, `pushwake-b`, when the first does not answer. */
  readonly twoNodes?: boolean;
  /** Ports in place of those of its slot. */
  readonly ports?: Partial<AsteriskPorts>;
  /** It dials in here, with this login, and takes no connection of ours. */
  readonly dialsIn?: { readonly port: number; readonly username: string; readonly password: string };
  /** The push service of another scene. Default: one of its own. */
  readonly apns?: ApnsStandIn;
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

export class Scene extends PbxScene {
  readonly asterisk: RunningAsterisk;
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
    super(parts);
    this.asterisk = parts.asterisk;
    this.#options = parts.options;
    this.#hepPort = parts.hepPort;
  }

  protected override get pbx(): RunningAsterisk {
    return this.asterisk;
  }

  /** Where Asterisk sends its copies of SIP messages, and with which password. */
  get hepTarget(): { readonly port: number; readonly password: string } {
    return { port: this.#hepPort, password: HEP_PASSWORD };
  }

  static async start(options: SceneOptions): Promise<Scene> {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-scene-'));
    const hepPort = options.hep ? await freeUdpPort() : 0;
    const [asterisk, apns] = await Promise.all([
      startAsterisk({
        // Two runs of one test side by side must not share a folder.
        name: `${options.name}-${process.pid}`,
        ...(options.ports && { ports: options.ports }),
        users: options.users ?? DEFAULT_USERS,
        extensions: options.extensions ?? DIALPLAN,
        ...(options.queues === undefined ? {} : { queues: options.queues }),
        ...(options.modules && { modules: options.modules }),
        // The dialplan is the failover where Asterisk cannot ask all nodes at once.
        ...(options.twoNodes && { without: ['app_stasis_broadcast'] }),
        ...((options.extra || options.dialsIn) && { extra: { ...options.extra, ...dialInConf(options.dialsIn) } }),
        snippets: [
          ...(options.snippets ?? []),
          {
            file: options.dialplan ?? shipped('pushwake-extensions.conf'),
            into: 'extensions.conf',
            ...(options.twoNodes ? { replace: [[';2;', '']] as const } : {}),
          },
          { file: shipped('pushwake-ari.conf'), into: 'ari.conf', replace: [['CHANGE-ME', ARI_PASSWORD]] },
          ...(options.dialsIn ? [{ file: shipped('pushwake-ari-out.conf'), into: 'ari.conf' } as const] : []),
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
      options.apns ?? startApnsStandIn(),
    ]);
    const pushwake = new PushwakeProcess(join(folder, 'pushwake.yaml'), options.env, options.entry);
    const scene = new Scene({ asterisk, apns, pushwake, folder, options, hepPort });
    pushwake.configure(scene.yaml());
    if (!options.withoutPushwake) await scene.startPushwake();
    return scene;
  }

  yaml(
    changes: PushwakeChanges & {
      /** Base address of ARI, by default Asterisk's own. */
      readonly url?: string;
      readonly password?: string;
    } = {},
  ): string {
    const { mode, policy, debug, dialsIn } = this.#options;
    const link = dialsIn
      ? `dialsIn: { listen: "127.0.0.1:${dialsIn.port}" }`
      : `url: ${changes.url ?? `http://127.0.0.1:${this.asterisk.ports.ari}`}`;
    return this.yamlWith(
      `    type: asterisk
    ${link}
    username: ${dialsIn?.username ?? 'pushwake'}
    password: ${changes.password ?? dialsIn?.password ?? ARI_PASSWORD}
    realm: ${REALM}
${this.#hepPort ? `    hep: { listen: "127.0.0.1:${this.#hepPort}", password: ${HEP_PASSWORD} }\n` : ''}`,
      changes,
      { mode, policy, debug },
    );
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
}

/** Its websocket_client.conf. */
function dialInConf(to: SceneOptions['dialsIn']): Record<string, string> {
  if (!to) return {};
  const lines = [
    '[pushwake]',
    'type = websocket_client',
    'connection_type = persistent',
    `uri = ws://127.0.0.1:${to.port}/`,
    'protocols = ari',
    `username = ${to.username}`,
    `password = ${to.password}`,
  ];
  return { 'websocket_client.conf': `${lines.join('\n')}\n` };
}

/** A port of 127.0.0.1 that is free for UDP, and for TCP as well: listeners of both kinds get theirs here. */
export async function freeUdpPort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    const isFree = await new Promise<boolean>((resolve) => {
      const socket = createSocket('udp4');
      socket.once('error', () => socket.close(() => resolve(false)));
      socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
