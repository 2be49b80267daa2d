/** A program of a few lines on Debian's liblinphone 5.1: with the library's own push configuration, or with parameters that the app adds. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PYTHON } from './needs.ts';
import {
  type Account,
  CONNECTS_WITHIN_MS,
  Process,
  type PushToken,
  Screen,
  type Softphone,
  untilSeen,
} from './program.ts';

const PROGRAM = fileURLToPath(new URL('liblinphone.py', import.meta.url));
/** Where its list of calls is. */
const DATA = '.local/share/linphone';
const LOGS_OUT_WITHIN_MS = 5_000;
/** `LinphoneRegistrationState`. */
const REGISTERED = 2;
/** `LinphoneCallState`. */
const [INCOMING, CONNECTED, RUNNING] = [1, 7, 8];
const OVER = [13, 14, 19];

export class Liblinphone implements Softphone {
  readonly name: string;
  readonly screen = new Screen();
  readonly #account: Account;
  readonly #hasPush: boolean;
  #process: Process | undefined;
  #isRegistered = false;

  constructor(account: Account, hasPush: boolean) {
    this.#account = account;
    this.#hasPush = hasPush;
    this.name = `liblinphone 5.1 (Debian) ${hasPush ? 'with' : 'without'} its push configuration`;
    mkdirSync(join(account.home, DATA), { recursive: true });
  }

  async start({ param, prid }: PushToken): Promise<void> {
    const { user, password, realm, port, home } = this.#account;
    // What it counts as missed is then of this start.
    rmSync(join(home, DATA, 'linphone.db'), { force: true });
    const wanted = {
      home,
      user,
      password,
      realm,
      identity: `sip:${user}@${realm}`,
      proxy: `sip:127.0.0.1:${port};transport=tcp`,
      uuid: this.#hasPush ? '777daa1f-0000-4000-8000-381dcdf0072e' : '777daa1f-0000-4000-8000-381dcdf0072f',
      ...(this.#hasPush
        ? { push: { provider: 'fcm', param, prid } }
        : { contact: `pn-provider=fcm;pn-param=${param};pn-prid=${prid}` }),
    };
    this.#process = new Process(PYTHON, [PROGRAM, JSON.stringify(wanted)], {
      home,
      heard: (line) => this.#heard(line),
    });
  }

  #heard(line: string): void {
    const [, registration] = /^registration (\d+)$/.exec(line) ?? [];
    if (registration) this.#isRegistered = Number(registration) === REGISTERED;
    const [, id, text] = /^call (\d+) (\d+)$/.exec(line) ?? [];
    const state = Number(text);
    if (!id) return;
    if (state === INCOMING) this.screen.incoming(id);
    if (state === CONNECTED || state === RUNNING) this.screen.answered(id);
    if (OVER.includes(state)) this.screen.over(id);
  }

  async connected(): Promise<void> {
    await untilSeen(() => this.#isRegistered, CONNECTS_WITHIN_MS);
  }

  get printed(): readonly string[] {
    return this.#process?.lines ?? [];
  }

  answer(): void {
    this.#process?.write('answer');
  }

  async logOut(): Promise<void> {
    this.#process?.write('logout');
    await untilSeen(() => !this.#isRegistered, LOGS_OUT_WITHIN_MS);
    await this.kill();
  }

  async showsMissed(): Promise<boolean | undefined> {
    this.#process?.write('missed');
    await delay(500);
    const said = this.#process?.lines.findLast((line) => line.startsWith('missed '));
    return said === undefined ? undefined : said !== 'missed 0';
  }

  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
    this.#isRegistered = false;
    this.screen.clear();
  }
}
