/**
 * A whole scene on loopback with a real FreeSWITCH and the shipped dialplan, pushwake as a process, the APNs stand-in, and
 * phones that sleep and are woken by their push.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startApnsStandIn } from './apns-stand-in/index.ts';
import type { SipUser } from './asterisk/config.ts';
import { type FreeswitchAccount, type RunningFreeswitch, startFreeswitch } from './freeswitch/index.ts';
import { PbxScene, type PushwakeChanges, REALM } from './pbx-scene.ts';
import { type Entry, PushwakeProcess } from './pushwake-process.ts';
import type { IncomingCall, OutgoingCall } from './sip-phone/index.ts';

export const FREESWITCH_ESL_PASSWORD = 'scene-esl-secret';
const ESL_PASSWORD = FREESWITCH_ESL_PASSWORD;

/** Words no INVITE, log or error may hold. */
export const FREESWITCH_SECRETS: readonly string[] = [ESL_PASSWORD];

export const freeswitchShipped = (name: string): string =>
  fileURLToPath(new URL(`../../config/freeswitch/${name}`, import.meta.url));

const action = (application: string, data = '') => `<action application="${application}" data="${data}"/>`;
const extension = (name: string, number: string, ...actions: string[]) =>
  `<extension name="${name}"><condition field="destination_number" expression="${number}">\n${actions.join('\n')}\n</condition></extension>`;

/** What an administrator has around a bridge. */
const AROUND = [
  action('set', 'hangup_after_bridge=true'),
  action('set', 'continue_on_fail=true'),
  action('set', 'call_timeout=30'),
];
/** Tells how it went, then gives the caller what the bridge would have given him. */
const AFTER = [
  action('log', `NOTICE OUTER \${destination_number} \${originate_disposition} \${pushwake_status}`),
  action('hangup', `\${originate_disposition}`),
];
const wake = (aor: string) => action('execute_extension', `${aor} XML pushwake`);

/**
 * `10NN` through pushwake, `910NN` the same as it would be without; `410NN` rings 4 seconds; `310NN` rings 3 and goes to a voicemail;
 * `510NN` desk phone 15NN and mobile 10NN; `810NN` desk phone 10NN and mobile 10NNm, a user of its own; `710NN` a caller an attendant
 * has answered; `610NN` without hangup_after_bridge; `15NN`, `20NN` plain.
 */
export const FREESWITCH_DIALPLAN = [
  extension('wake', '^(10\\d\\d)$', ...AROUND, wake(`$1@${REALM}`), ...AFTER),
  extension('plain', '^9(10\\d\\d)$', ...AROUND, action('bridge', `user/$1@${REALM}`), ...AFTER),
  extension('short', '^4(10\\d\\d)$', ...AROUND, action('set', 'call_timeout=4'), wake(`$1@${REALM}`), ...AFTER),
  extension(
    'desk',
    '^510(\\d\\d)$',
    ...AROUND,
    action('set', `pushwake_and=,user/15$1@${REALM}`),
    wake(`10$1@${REALM}`),
    ...AFTER,
  ),
  extension(
    'attendant',
    '^7(10\\d\\d)$',
    action('answer'),
    action('sleep', '200'),
    ...AROUND,
    wake(`$1@${REALM}`),
    ...AFTER,
  ),
  extension(
    'voicemail',
    '^3(10\\d\\d)$',
    ...AROUND,
    action('set', 'call_timeout=3'),
    wake(`$1@${REALM}`),
    action('answer'),
    action('sleep', '20000'),
  ),
  extension(
    'own-user',
    '^8(10\\d\\d)$',
    ...AROUND,
    action('set', `pushwake_and=,user/$1@${REALM}`),
    wake(`$1m@${REALM}`),
    ...AFTER,
  ),
  extension(
    'goes-on',
    '^6(10\\d\\d)$',
    action('set', 'call_timeout=30'),
    wake(`$1@${REALM}`),
    action('log', 'NOTICE WENT ON AFTER THE TALK'),
    action('hangup'),
  ),
  extension('others', '^((?:15|20)\\d\\d)$', ...AROUND, action('bridge', `user/$1@${REALM}`), ...AFTER),
].join('\n');

/** Mobiles 10NN and 10NNm, desk phones 15NN, two callers. */
export function freeswitchUsers(mobiles: number): SipUser[] {
  const numbers = Array.from({ length: mobiles }, (_, i) => String(i + 1).padStart(2, '0'));
  return [
    ...numbers.flatMap((n) => [{ id: `10${n}` }, { id: `10${n}m` }, { id: `15${n}` }]),
    { id: '2000', callerId: 'The Caller <2000>' },
    { id: '2001', callerId: 'Another Caller <2001>' },
  ];
}

export interface FreeswitchSceneOptions {
  readonly users: readonly SipUser[];
  readonly mode?: 'observe' | 'full';
  readonly extensions?: string;
  /** Path of the dialplan for pushwake. Default: the shipped one. */
  readonly dialplan?: string;
  /** Parameters of the SIP profile `internal`. */
  readonly profile?: Readonly<Record<string, string>>;
  /** A third profile, `v6`, on ::1. */
  readonly ipv6?: boolean;
  /** Variables of a user's directory entry, by user. */
  readonly directory?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly accounts?: Readonly<Record<string, FreeswitchAccount>>;
  readonly modules?: readonly string[];
  readonly moduleOrder?: 'prompt' | 'vanilla';
  readonly configurations?: string;
  /** Folder of Lua scripts. */
  readonly scripts?: string;
  /** What pushwake.yaml names. Default: `REALM`. */
  readonly realm?: string;
  /** Extensions of the chatplan. */
  readonly chatplan?: string;
  /** YAML lines under `policy:`. */
  readonly policy?: string;
  readonly withoutPushwake?: boolean;
  readonly entry?: Entry;
  readonly env?: NodeJS.ProcessEnv;
  readonly debug?: boolean;
}

export class FreeswitchScene extends PbxScene {
  readonly freeswitch: RunningFreeswitch;
  readonly #options: FreeswitchSceneOptions;

  private constructor(
    parts: ConstructorParameters<typeof PbxScene>[0],
    freeswitch: RunningFreeswitch,
    options: FreeswitchSceneOptions,
  ) {
    super(parts);
    this.freeswitch = freeswitch;
    this.#options = options;
  }

  protected override get pbx(): RunningFreeswitch {
    return this.freeswitch;
  }

  static async start(options: FreeswitchSceneOptions): Promise<FreeswitchScene> {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-scene-'));
    const [freeswitch, apns] = await Promise.all([
      startFreeswitch({
        users: options.users,
        domain: REALM,
        extensions: options.extensions ?? FREESWITCH_DIALPLAN,
        dialplans: [options.dialplan ?? freeswitchShipped('pushwake-dialplan.xml')],
        eslPassword: ESL_PASSWORD,
        ...(options.profile ? { profile: options.profile } : {}),
        ...(options.ipv6 ? { ipv6: true } : {}),
        ...(options.directory ? { directory: options.directory } : {}),
        ...(options.accounts ? { accounts: options.accounts } : {}),
        ...(options.modules ? { modules: options.modules } : {}),
        ...(options.moduleOrder ? { moduleOrder: options.moduleOrder } : {}),
        ...(options.chatplan ? { chatplan: options.chatplan } : {}),
        ...(options.configurations ? { configurations: options.configurations } : {}),
        ...(options.scripts ? { scripts: options.scripts } : {}),
      }),
      startApnsStandIn(),
    ]);
    const pushwake = new PushwakeProcess(join(folder, 'pushwake.yaml'), options.env, options.entry);
    const scene = new FreeswitchScene({ apns, pushwake, folder }, freeswitch, options);
    pushwake.configure(scene.yaml());
    if (!options.withoutPushwake) await scene.startPushwake();
    return scene;
  }

  yaml(
    changes: PushwakeChanges & { readonly port?: number; readonly password?: string; readonly node?: string } = {},
  ): string {
    const { mode, policy, debug, ipv6 } = this.#options;
    return this.yamlWith(
      `    type: freeswitch
    port: ${changes.port ?? this.freeswitch.ports.esl}
    password: ${changes.password ?? ESL_PASSWORD}
    realm: ${JSON.stringify(this.#options.realm ?? REALM)}
    profiles: [internal, callid${ipv6 ? ', v6' : ''}]
    expiresLateMargin: 5
${changes.node === undefined ? '' : `    node: ${changes.node}\n`}`,
      changes,
      { mode, policy, debug },
    );
  }

  /** Resolves when FreeSWITCH knows that a phone of this account can be woken, or no longer. */
  async marked(aor: string, on = true): Promise<void> {
    const deadline = performance.now() + 5_000;
    while ((await this.freeswitch.cli(`hash select/pushwake_aor/${aor}`)) !== (on ? '1' : '')) {
      if (performance.now() > deadline) throw new Error(`${aor} is ${on ? 'not ' : 'still '}marked`);
    }
  }

  /** Status the caller saw, and what the dialplan was left with. */
  async seenByCaller(call: OutgoingCall, number: string): Promise<string> {
    const { status } = await call.done;
    const outer = () =>
      [...this.freeswitch.logText().matchAll(/ OUTER (\S+) (.*)/g)].filter((m) => m[1] === number).at(-1)?.[2];
    // FreeSWITCH's logger is a thread of its own.
    const deadline = performance.now() + 3_000;
    while (outer() === undefined && performance.now() < deadline) await delay(10);
    return `${status} ${outer()?.trim()}`;
  }

  /** Both hear each other, then the caller hangs up and nothing is left. */
  async talkAndHangUp(call: OutgoingCall, callee: IncomingCall): Promise<void> {
    await Promise.all([call.waitForRtp(10), callee.waitForRtp(10)]);
    await call.hangup();
    await callee.waitForState('ended');
    await this.freeswitch.waitForNoChannels();
  }

  /** After each test: nothing may be left; what a failed test left behind is ended, so that the next one starts clean. */
  async cleanUp(): Promise<void> {
    try {
      await this.freeswitch.waitForNoChannels();
    } finally {
      await this.freeswitch.cli('hupall');
      for (const phone of this.phones) for (const call of phone.outgoing) if (!call.isOver) call.drop();
    }
  }

  /** Contacts FreeSWITCH holds for an account, as stored. */
  async contacts(aor: string, profile = 'internal'): Promise<string[]> {
    const xml = await this.freeswitch.cli(`sofia xmlstatus profile ${profile} user ${aor}`);
    return [...xml.matchAll(/<contact>(.*)<\/contact>/g)].map((m) =>
      (m[1] ?? '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&'),
    );
  }
}
