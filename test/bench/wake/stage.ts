/**
 * Where the calls of the benchmark are placed: one Asterisk, three ways to wake a phone on it. `ours` is pushwake as
 * shipped, `floor` the shortest script that does the same for one phone, `curl` what administrators write today.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SipUser } from '../../support/asterisk/config.ts';
import { curlInside } from '../../support/asterisk/curl.ts';
import { freePort } from '../../support/free-port.ts';
import { type PushIdentity, Scene, shipped } from '../../support/scene.ts';
import type { SipPhone } from '../../support/sip-phone/index.ts';
import { jwtOf } from './bare-push.ts';
import { Kamailio } from './kamailio.ts';

export const MANY = 50;
const LOADED = 1_000;
const two = (n: number) => String(n).padStart(2, '0');

/** 10NN ours, 1101 floor, 1201 curl; L0000… are there to register. Numbers: 10NN, 61101, 71201; 814NN are phones of Kamailio. */
const USERS: readonly SipUser[] = [
  ...Array.from({ length: MANY + 10 }, (_, i) => ({ id: `10${two(i + 1)}`, rewriteContact: true })),
  { id: '1101', rewriteContact: true },
  { id: '1201', rewriteContact: true },
  { id: '1301', rewriteContact: true },
  { id: '2000' },
  { id: 'kamailio' },
  ...Array.from({ length: LOADED }, (_, i) => ({ id: `L${String(i).padStart(4, '0')}`, maxContacts: 2 })),
];

/** `CURL_COMMAND` stands in the dialplan until the push service's address is known. */
const DIALPLAN = `[internal]
exten => _10XX,1,Dial(Local/\${EXTEN}@pushwake/n,30)
 same => n,Hangup()
exten => _6XXXX,1,Dial(Local/\${EXTEN:1}@floor/n,30)
 same => n,Hangup()
; what forums show: a push by curl in the background, then look twice a second whether anybody is registered
exten => _7XXXX,1,Set(CONTACT=)
 same => n,System(\${CURL_PUSH} &)
 same => n,Ringing()
 same => n,Set(LOOKS=0)
 same => n(look),Set(CONTACT=\${PJSIP_DIAL_CONTACTS(\${EXTEN:1})})
 same => n,GotoIf($[\${LEN(\${CONTACT})} > 0]?dial)
 same => n,Wait(0.5)
 same => n,Set(LOOKS=$[\${LOOKS} + 1])
 same => n,GotoIf($[\${LOOKS} < 60]?look)
 same => n,Hangup(20)
 same => n(dial),Dial(\${CONTACT},30)
 same => n,Hangup()
exten => _814XX,1,Dial(PJSIP/kamailio/sip:\${EXTEN:1}@127.0.0.1:\${KAMAILIO_PORT},30)
 same => n,Hangup()
[floor]
exten => _X.,1,Stasis(floor)
 same => n,Dial(\${FLOOR_DIAL},30)
 same => n,Hangup()

`;

/** As an administrator writes it, and beside it the same without us: texts to 6NNNN. */
const MESSAGES = `
[messages]
exten => _1XXX,1,Gosub(pushwake-text,s,1(\${EXTEN}))
 same => n,MessageSend(pjsip:\${EXTEN},\${MESSAGE(from)})
exten => _6XXXX,1,MessageSend(pjsip:\${EXTEN:1},\${MESSAGE(from)})

#include "pushwake-messages.conf"
`;

export interface Contender {
  readonly name: 'ours' | 'floor' | 'curl' | 'kamailio';
  readonly number: string;
  readonly phone: SipPhone;
  readonly identity: PushIdentity;
}

export interface StageOptions {
  readonly hep: boolean;
  /** Asterisk opens the link. Default false. */
  readonly dialsIn?: boolean;
  /** With `messages.wake`, and a context that keeps texts. Default false: nothing of texts is in the dialplan. */
  readonly texts?: boolean;
  /** A store that is already full. */
  readonly fill?: (file: string) => Promise<void>;
}

/** What the phone of a contender says of push in its Contact. */
export function paramsOf(name: Contender['name'], identity: PushIdentity): string {
  if (name === 'ours') return identity.params;
  return name === 'kamailio' ? `;pn-provider=apns;pn-prid=${identity.voip}` : '';
}

export class Stage {
  readonly scene: Scene;
  readonly caller: SipPhone;
  readonly #ends: (() => void)[] = [];
  readonly #floor: PushIdentity;
  #kamailio: Kamailio | undefined;

  private constructor(scene: Scene, caller: SipPhone, floor: PushIdentity) {
    this.scene = scene;
    this.caller = caller;
    this.#floor = floor;
  }

  static async set({ hep, dialsIn = false, texts = false, fill }: StageOptions): Promise<Stage> {
    const ofTexts = {
      extensions: DIALPLAN + MESSAGES,
      users: USERS.map((user) => ({ ...user, endpointLines: ['message_context=messages'] })),
      extra: { 'pushwake-messages.conf': readFileSync(shipped('pushwake-messages.conf'), 'utf8') },
    };
    const scene = await Scene.start({
      name: hep ? 'bench-wake' : 'bench-watch',
      users: USERS,
      hep,
      extensions: DIALPLAN,
      ...(texts && ofTexts),
      ...(dialsIn && {
        modules: ['res_websocket_client'],
        dialsIn: { port: await freePort(), username: 'bench', password: 'secret-of-bench' },
      }),
      // A stored UDP contact never counts as awake: what is measured is the way over the REGISTER.
      policy: '  freshContact: 0s',
      debug: false,
      withoutPushwake: true,
    });
    if (texts) scene.pushwake.configure(scene.yaml({ more: 'messages: { wake: true }\n' }));
    await fill?.(scene.storePath);
    await scene.startPushwake();
    const caller = await scene.phone('2000');
    await caller.register();
    const stage = new Stage(scene, caller, scene.install());
    await stage.#startFloor();
    return stage;
  }

  async contender(name: Contender['name'], user: string, transport: 'udp' | 'tcp'): Promise<Contender> {
    const { scene } = this;
    const server = name === 'kamailio' ? { server: (await this.kamailio()).address } : {};
    const phone = await scene.phone(user, { transport, ...server });
    const identity = name === 'floor' ? this.#floor : scene.install();
    if (name === 'ours') await scene.bind(phone, identity);
    if (name === 'curl') await this.#writeCurl(identity);
    if (name === 'kamailio') await phone.register({ contactParams: paramsOf('kamailio', identity) });
    const prefix = { ours: '', floor: '6', curl: '7', kamailio: '8' }[name];
    return { name, number: `${prefix}${user}`, phone, identity };
  }

  /** Kamailio in front, from its first use on. */
  async kamailio(): Promise<Kamailio> {
    if (this.#kamailio) return this.#kamailio;
    const { asterisk, apns, folder } = this.scene;
    const [app] = apns.apps;
    if (!app) throw new Error('the stand-in has no app');
    const kamailio = await Kamailio.start({ folder, app, endpoint: apns.endpoint });
    this.#kamailio = kamailio;
    this.#ends.push(() => kamailio.close());
    await asterisk.cli(`dialplan set global KAMAILIO_PORT ${kamailio.address.udp}`);
    return kamailio;
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    await this.scene.close();
  }

  async #startFloor(): Promise<void> {
    const { asterisk, apns } = this.scene;
    const [app] = apns.apps;
    const job = { ari: asterisk.ari, app, endpoint: apns.endpoint, aor: '1101', token: this.#floor.voip };
    const script = fileURLToPath(new URL('./floor.ts', import.meta.url));
    const child = spawn(process.execPath, [script, JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ends.push(() => child.kill());
    await once(child.stdout, 'data');
  }

  /** The chroot has no curl: this machine's comes in with its libraries. */
  async #writeCurl(identity: PushIdentity): Promise<void> {
    const { asterisk, apns } = this.scene;
    const inside = await curlInside(asterisk.folder);
    const push = join(asterisk.folder, 'curl', 'push.sh');
    const { address, port } = apns.endpoint;
    const headers = [
      'apns-topic: com.example.phone.voip',
      'apns-push-type: voip',
      'apns-priority: 10',
      `authorization: bearer ${jwtOf(apns.apps[0] as (typeof apns.apps)[number])}`,
    ];
    writeFileSync(
      push,
      `#!/bin/sh
exec ${inside}/curl -sk --http2 ${headers.map((h) => `-H '${h}'`).join(' ')} -d '{}' https://${address}:${port}/3/device/${identity.voip} > /dev/null 2>&1
`,
    );
    chmodSync(push, 0o755);
    await asterisk.cli(`dialplan set global CURL_PUSH ${inside}/push.sh`);
  }

  /** The token the floor script pushes to. */
  floorToken(): string {
    return this.#floor.voip;
  }

  /** Registrations beside the calls, with push parameters, by SIPp, at Asterisk or at this port. Answers what it did when it is stopped. */
  async registerLoad(perSecond: number, port = this.scene.asterisk.ports.udp): Promise<() => Promise<number>> {
    const { apns, folder } = this.scene;
    const [app] = apns.apps;
    const csv = join(folder, 'load.csv');
    const users = USERS.filter((u) => u.id.startsWith('L'));
    writeFileSync(
      csv,
      `SEQUENTIAL\n${users.map((u) => `${u.id};${u.id.slice(1)};[authentication username=${u.id} password=secret-${u.id}]`).join('\n')}\n`,
    );
    const xml = join(folder, 'load.xml');
    const prid = `${'a'.repeat(60)}[field1]:voip`;
    const register = (cseq: number, more: string) => `<send retrans="500"><![CDATA[
REGISTER sip:127.0.0.1:${port} SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport
From: <sip:[field0]@127.0.0.1>;tag=[call_number]
To: <sip:[field0]@127.0.0.1>
Call-ID: [call_id]
CSeq: ${cseq} REGISTER
Max-Forwards: 70
Contact: <sip:[field0]@[local_ip]:[local_port];pn-provider=apns;pn-param=${app?.teamId}.${app?.bundleId}.voip;pn-prid=${prid}>;expires=3600
${more}User-Agent: sipp
Content-Length: 0

]]></send>`;
    writeFileSync(
      xml,
      `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="register">
${register(1, '')}
<recv response="401" auth="true"/>
${register(2, '[field2]\n')}
<recv response="200"/>
</scenario>
`,
    );
    return this.#sipp(xml, ['-inf', csv], perSecond, port);
  }

  /** Texts of one account, with their challenges, by SIPp. `to`: an extension of the context of texts. */
  async textLoad(to: string, perSecond: number): Promise<() => Promise<number>> {
    const { asterisk, folder } = this.scene;
    const server = `127.0.0.1:${asterisk.ports.udp}`;
    const xml = join(folder, 'texts.xml');
    const message = (cseq: number, more: string) => `<send retrans="500"><![CDATA[
MESSAGE sip:${to}@${server} SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport
From: <sip:L0000@127.0.0.1>;tag=[call_number]
To: <sip:${to}@127.0.0.1>
Call-ID: [call_id]
CSeq: ${cseq} MESSAGE
Max-Forwards: 70
Content-Type: text/plain
${more}Content-Length: [len]

flood [call_number]
]]></send>`;
    writeFileSync(
      xml,
      `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="texts">
${message(1, '')}
<recv response="401" auth="true"/>
${message(2, '[authentication username=L0000 password=secret-L0000]\n')}
<recv response="202"/>
</scenario>
`,
    );
    return this.#sipp(xml, [], perSecond, asterisk.ports.udp);
  }

  /** Resolves when it runs; the function ends it, and resolves with what it did a second. */
  async #sipp(xml: string, more: readonly string[], perSecond: number, port: number): Promise<() => Promise<number>> {
    const { folder } = this.scene;
    const stats = join(folder, 'load-stat.csv');
    const server = `127.0.0.1:${port}`;
    const args = [
      '-sf',
      xml,
      ...more,
      '-i',
      '127.0.0.1',
      '-r',
      String(perSecond),
      '-l',
      '3000',
      '-nostdin',
      '-trace_stat',
      '-stf',
      stats,
      '-fd',
      '1',
      server,
    ];
    const child = spawn('sipp', args, { stdio: 'ignore', cwd: folder });
    const failed = once(child, 'error').then(([error]) => {
      throw new Error(`SIPp cannot be started (apt-get install sip-tester): ${error}`);
    });
    await Promise.race([failed, delay(3_000)]);
    const begun = performance.now();
    const before = this.#answered();
    const stop = async () => {
      const rate = (this.#answered() - before) / ((performance.now() - begun) / 1_000);
      child.kill('SIGKILL');
      return rate;
    };
    this.#ends.push(() => child.kill('SIGKILL'));
    return stop;
  }

  /** Registrations or texts that came to their end, as SIPp counts them. */
  #answered(): number {
    const lines = readFileSync(join(this.scene.folder, 'load-stat.csv'), 'utf8').trim().split('\n');
    const at = lines[0]?.split(';').indexOf('SuccessfulCall(C)') ?? -1;
    return Number(lines.at(-1)?.split(';')[at] ?? 0);
  }
}
