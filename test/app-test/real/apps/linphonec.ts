/** Debian's linphonec 5.1, with push parameters that its configuration adds to its Contact. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Account,
  CONNECTS_WITHIN_MS,
  LOGS,
  Process,
  type PushToken,
  Screen,
  type Softphone,
  untilSeen,
} from './program.ts';

/** An app keeps it from its installation on. */
const UUID = '777daa1f-0000-4000-8000-381dcdf0072d';
/** Where its list of calls is. */
const DATA = '.local/share/linphone';
const LOGS_OUT_WITHIN_MS = 5_000;
const ASKED_EVERY_MS = 250;

export class Linphonec implements Softphone {
  readonly name = 'linphonec 5.1 (Debian)';
  readonly screen = new Screen();
  readonly #account: Account;
  #process: Process | undefined;
  #isRegistered = false;

  constructor(account: Account) {
    this.#account = account;
    // Its database of calls; it does not make the folder itself.
    mkdirSync(join(account.home, DATA), { recursive: true });
  }

  async start({ param, prid }: PushToken): Promise<void> {
    const { user, password, realm, port, home } = this.#account;
    // What it counts as missed is then of this start.
    rmSync(join(home, DATA, 'linphone.db'), { force: true });
    const file = join(home, 'linphonerc');
    writeFileSync(
      file,
      `[net]
enable_ipv6=0
auto_net_state_mon=0
[sip]
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
guess_hostname=0
default_proxy=0
contact="${user}" <sip:${user}@127.0.0.1>
[misc]
uuid=${UUID}
[rtp]
audio_rtp_port=-1
[auth_info_0]
username=${user}
passwd=${password}
domain=${realm}
[proxy_0]
reg_proxy=<sip:127.0.0.1:${port};transport=tcp>
reg_route=<sip:127.0.0.1:${port};transport=tcp>
reg_identity=sip:${user}@${realm}
reg_expires=3600
reg_sendregister=1
publish=0
contact_uri_parameters=pn-provider=fcm;pn-param=${param};pn-prid=${prid}
`,
    );
    this.#process = new Process('linphonec', ['-c', file, '-d', LOGS === undefined ? '0' : '6'], {
      home,
      env: { HOME: home },
      heard: (line) => this.#heard(line),
    });
  }

  #heard(line: string): void {
    if (/registered, identity=/.test(line)) this.#isRegistered = true;
    if (/registered=(?:0|-1)/.test(line)) this.#isRegistered = false;
    const [, incoming] = /incoming call from .*, assigned id (\d+)/.exec(line) ?? [];
    const [, connected] = /Call (\d+) with .* connected/.exec(line) ?? [];
    const [, over] = /Call (\d+) with .* (?:ended|error)/.exec(line) ?? [];
    if (incoming) this.screen.incoming(incoming);
    if (connected) this.screen.answered(connected);
    if (over) this.screen.over(over);
  }

  async connected(): Promise<void> {
    await this.#until(true, CONNECTS_WITHIN_MS);
  }

  /** It says whether it is registered only when it is asked. */
  async #until(isRegistered: boolean, ms: number): Promise<void> {
    const process = this.#process;
    for (let waited = 0; waited < ms && this.#isRegistered !== isRegistered; waited += ASKED_EVERY_MS) {
      process?.write('status register');
      await untilSeen(() => this.#isRegistered === isRegistered, ASKED_EVERY_MS);
    }
  }

  get printed(): readonly string[] {
    return this.#process?.lines ?? [];
  }

  answer(): void {
    this.#process?.write('answer');
  }

  async logOut(): Promise<void> {
    this.#process?.write('unregister');
    await this.#until(false, LOGS_OUT_WITHIN_MS);
    await this.kill();
  }

  async showsMissed(): Promise<boolean | undefined> {
    const from = this.#process?.lines.length ?? 0;
    this.#process?.write('call-logs');
    await delay(500);
    // The newest comes first, before those of earlier starts.
    const last = (this.#process?.lines ?? []).slice(from).find((line) => line.startsWith('Status: '));
    return last === undefined ? undefined : last === 'Status: missed';
  }

  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
    this.#isRegistered = false;
    this.screen.clear();
  }
}
