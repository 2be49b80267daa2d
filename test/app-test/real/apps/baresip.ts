/**
 * Debian's baresip 1.0. It has no push parameters of its own: the app around it reports its token over HTTP (docs/apps-own.md), as one
 * would that is built on it.
 */
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BARESIP_MODULES } from './needs.ts';
import {
  type Account,
  CONNECTS_WITHIN_MS,
  Process,
  type PushToken,
  Screen,
  type Softphone,
  untilSeen,
} from './program.ts';

const INSTALL_ID = 'baresip-of-the-tests';
const LOGS_OUT_WITHIN_MS = 5_000;

/** Where an app reports its tokens, and with which key. */
export interface DeviceApi {
  readonly url: string;
  readonly key: string;
}

export class Baresip implements Softphone {
  readonly name = 'baresip 1.0 (Debian), token reported over HTTP';
  readonly screen = new Screen();
  /** Calls of this start, by number: its lines do not say which one they are about. */
  #calls = 0;
  readonly #open: string[] = [];
  readonly #account: Account;
  readonly #api: DeviceApi;
  readonly #controlPort: number;
  #process: Process | undefined;
  #control: Socket | undefined;
  #isRegistered = false;

  constructor(account: Account, o: { readonly api: DeviceApi; readonly controlPort: number }) {
    this.#account = account;
    this.#api = o.api;
    this.#controlPort = o.controlPort;
    const { user, password, realm, port, home } = account;
    writeFileSync(
      join(home, 'config'),
      `poll_method epoll
sip_listen 127.0.0.1:0
audio_source aubridge,nobody
audio_player aubridge,nobody
audio_alert aubridge,nobody
module_path ${BARESIP_MODULES}
module g711.so
module aubridge.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:${o.controlPort}
`,
    );
    const proxy = `sip:127.0.0.1:${port};transport=tcp`;
    const line = `<sip:${user}@${realm};transport=tcp>;auth_user=${user};auth_pass=${password};outbound="${proxy}";regint=3600`;
    writeFileSync(join(home, 'accounts'), `${line}\n`);
  }

  async start(token: PushToken): Promise<void> {
    const { home, user, realm } = this.#account;
    this.#calls = 0;
    this.#open.length = 0;
    this.#process = new Process('baresip', ['-f', home], { home, heard: (line) => this.#printed(line) });
    await this.#report(`${user}@${realm}`, token);
    for (let tries = 0; tries < 40 && !(await this.#controlled()); tries++) await delay(50);
  }

  async #report(aor: string, { param, prid }: PushToken): Promise<void> {
    const target = { provider: 'fcm', app: param, token: prid };
    const answer = await fetch(`${this.#api.url}/v1/devices/${aor}/${INSTALL_ID}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.#api.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ call: target, other: target }),
    });
    if (!answer.ok) throw new Error(`the token was not taken: ${answer.status} ${await answer.text()}`);
  }

  async #controlled(): Promise<boolean> {
    const socket = connect(this.#controlPort, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    if (!isOpen) return false;
    // What it says there is read from its lines; it must go somewhere all the same.
    socket.on('error', () => undefined).resume();
    this.#control = socket;
    return true;
  }

  /** Its control port is open only after it has registered, when its first call may be there: so all is read from what it prints. */
  #printed(line: string): void {
    if (/\} 200 OK .*\[\d+ bindings?\]/.test(line)) this.#isRegistered = true;
    if (/: Incoming call from: /.test(line)) {
      const id = String(++this.#calls);
      this.#open.push(id);
      this.screen.incoming(id);
    }
    if (/: Call established: /.test(line)) this.screen.answered(this.#open[0] ?? '');
    if (/: session closed: /.test(line)) this.screen.over(this.#open.pop() ?? '');
  }

  #order(command: string): void {
    const text = JSON.stringify({ command });
    this.#control?.write(`${text.length}:${text},`);
  }

  async connected(): Promise<void> {
    await untilSeen(() => this.#isRegistered, CONNECTS_WITHIN_MS);
  }

  get printed(): readonly string[] {
    return this.#process?.lines ?? [];
  }

  answer(): void {
    this.#order('accept');
  }

  async logOut(): Promise<void> {
    this.#order('quit');
    // It says that it begins to unregister, and ends when it has.
    await untilSeen(() => this.#process?.isOver ?? true, LOGS_OUT_WITHIN_MS);
    await this.kill();
  }

  /** It keeps no list of missed calls. */
  async showsMissed(): Promise<boolean> {
    return false;
  }

  async kill(): Promise<void> {
    this.#control?.destroy();
    await this.#process?.end('SIGKILL');
    this.#isRegistered = false;
    this.screen.clear();
  }
}
