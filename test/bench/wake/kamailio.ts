/**
 * What an expert would put in front instead: Kamailio as Debian has it, registrar of the phones; a call waits in a suspended
 * transaction and goes on at the REGISTER. Debian's has no http_async_client and its http_client opens a connection for each
 * push, so that a sender of pushes on the evapi socket does it, which is the quickest of what there is. Its registrations are
 * in memory, as they are after an install.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type PortSlot, reservePorts } from '../../support/asterisk/ports.ts';
import type { ServerAddress } from '../../support/sip-phone/index.ts';
import type { BareApp, BareEndpoint } from './bare-push.ts';

export interface KamailioJob {
  readonly folder: string;
  readonly app: BareApp;
  readonly endpoint: BareEndpoint;
}

const MODULES = ['kex', 'tm', 'tmx', 'sl', 'rr', 'pv', 'maxfwd', 'usrloc', 'registrar', 'siputils', 'textops'];
const MORE = ['auth', 'htable', 'nathelper', 'evapi'];

/** Passwords as all accounts of the tests have them, `secret-NNNN`. */
const configOf = (sip: number, evapi: number) => `#!KAMAILIO
debug=0
log_stderror=yes
children=4
tcp_children=4
tcp_connection_lifetime=3605
auto_aliases=no
alias="127.0.0.1"
listen=udp:127.0.0.1:${sip}
listen=tcp:127.0.0.1:${sip}
${[...MODULES, ...MORE].map((m) => `loadmodule "${m}.so"`).join('\n')}
modparam("tm", "fr_timer", 30000)
modparam("tm", "fr_inv_timer", 60000)
modparam("htable", "htable", "waiting=>size=10;autoexpire=60;")
modparam("evapi", "bind_addr", "127.0.0.1:${evapi}")

request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("$fd", "secret-$fU", "0")) { www_challenge("$fd", "0"); exit; }
    save("location", "0x04");
    if ($sht(waiting=>$tU) != $null) {
      $var(call) = $sht(waiting=>$tU);
      $sht(waiting=>$tU) = $null;
      t_continue("$(var(call){s.select,0,:}{s.int})", "$(var(call){s.select,1,:}{s.int})", "WOKEN");
    }
    exit;
  }
  if (is_method("CANCEL")) {
    if (t_check_trans()) t_relay();
    exit;
  }
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK") && t_check_trans()) t_relay();
    exit;
  }
  t_check_trans();
  if (!is_method("INVITE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
  record_route();
  if (!reg_fetch_contacts("location", "$ru", "callee")) { sl_send_reply("404", "Not Found"); exit; }
  t_newtran();
  t_reply("180", "Ringing");
  if (!t_suspend()) { t_reply("500", "Server Internal Error"); exit; }
  $sht(waiting=>$rU) = "" + $T(id_index) + ":" + $T(id_label);
  evapi_relay("$(ulc(callee=>addr){uri.param,pn-prid}) $rU");
}

route[WOKEN] {
  if (!lookup("location")) { t_reply("480", "Temporarily Unavailable"); exit; }
  t_relay();
}
`;

export class Kamailio {
  readonly address: ServerAddress;
  readonly #job: KamailioJob;
  readonly #slot: PortSlot;
  readonly #config: string;
  #server: ChildProcess | undefined;
  #sender: ChildProcess | undefined;

  private constructor(job: KamailioJob, slot: PortSlot, config: string) {
    this.#job = job;
    this.#slot = slot;
    this.#config = config;
    const { udp, tcp, tls } = slot.ports;
    this.address = { host: '127.0.0.1', udp, tcp, tls };
  }

  static async start(job: KamailioJob): Promise<Kamailio> {
    const slot = await reservePorts();
    const config = join(job.folder, 'kamailio.cfg');
    writeFileSync(config, configOf(slot.ports.udp, slot.ports.ari));
    const kamailio = new Kamailio(job, slot, config);
    await kamailio.#startServer();
    const { app, endpoint } = job;
    const script = fileURLToPath(new URL('./kamailio-push.ts', import.meta.url));
    const more = JSON.stringify({ app, endpoint, port: slot.ports.ari });
    kamailio.#sender = spawn(process.execPath, [script, more], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(kamailio.#sender.stdout as NonNullable<ChildProcess['stdout']>, 'data');
    return kamailio;
  }

  /** All its processes and the sender's, for what they cost. */
  get pids(): number[] {
    const first = [this.#server?.pid, this.#sender?.pid].filter((pid) => pid !== undefined);
    return [...first, ...first.flatMap(childrenOf)];
  }

  /** As when it crashed and systemd starts it again after a second. */
  async killAndRestart(): Promise<void> {
    this.#killServer();
    await delay(1_000);
    await this.#startServer();
  }

  close(): void {
    this.#sender?.kill('SIGKILL');
    this.#killServer();
    this.#slot.release();
  }

  #killServer(): void {
    const pid = this.#server?.pid;
    if (pid === undefined) return;
    for (const child of childrenOf(pid)) end(child);
    end(pid);
    this.#server = undefined;
  }

  async #startServer(): Promise<void> {
    const run = join(this.#job.folder, 'kamailio-run');
    mkdirSync(run, { recursive: true });
    const args = ['-f', this.#config, '-DD', '-E', '-Y', run, '-m', '64', '-M', '8'];
    const server = spawn('kamailio', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    server.stderr.on('data', (data: Buffer) => {
      said = `${said}${data}`.slice(-4_000);
    });
    const failed = once(server, 'error').then(([error]) => {
      throw new Error(
        `Kamailio cannot be started (apt-get install kamailio kamailio-extra-modules kamailio-utils-modules): ${error}`,
      );
    });
    failed.catch(() => undefined);
    this.#server = server;
    for (let i = 0; i < 100; i++) {
      await Promise.race([failed, delay(50)]);
      if (server.exitCode !== null) throw new Error(`Kamailio ended:\n${said}`);
      if ((await listens(this.address.tcp)) && (await listens(this.#slot.ports.ari))) return;
    }
    throw new Error(`Kamailio does not listen:\n${said}`);
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It had ended.
  }
}

function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
