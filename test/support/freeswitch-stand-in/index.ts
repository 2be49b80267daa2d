/**
 * A FreeSWITCH to talk to where there is none: the event socket, registrations, marks and the calls of pushwake's dialplan. It
 * speaks from the recordings. Strict where the real one is: no login, no command; events only for who subscribed in json.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { Channels, type StandInInvite } from './channels.ts';
import { event, frame, xmlProfile, xmlRow } from './speech.ts';

export type { StandInInvite } from './channels.ts';
export { recording } from './speech.ts';

const LATE_MARGIN_SECONDS = 5;

interface Row {
  readonly user: string;
  readonly callId: string;
  readonly contact: string;
  readonly dropsEpochSeconds: number;
}

interface Client {
  readonly socket: Socket;
  loggedIn: boolean;
  subscribed: ReadonlySet<string>;
}

/** Another name of the profile `internal`. */
const ALIAS = 'office';

export class FreeswitchStandIn {
  readonly #password: string;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  readonly #phones = new Map<string, (invite: StandInInvite) => void>();
  rows: Row[] = [];
  readonly hash = new Map<string, string>();
  readonly channels: Channels;
  /** Every command it was given, without logins. */
  readonly commands: string[] = [];
  /** What happens between a command and its answer. */
  beforeAnswer: (command: string) => void = () => undefined;
  /** True: takes commands and answers nothing, like a FreeSWITCH that was stopped with SIGSTOP. */
  hangs = false;
  /** How far its clock is ahead of the machine's. */
  aheadSeconds = 0;

  private constructor(password: string) {
    this.#password = password;
    this.#server = createServer((socket) => this.#connected(socket));
    this.channels = new Channels({
      say: (bytes) => this.say(bytes),
      invite: (_profile, uri, invite) => {
        const phone = this.#phones.get(placeOf(uri));
        phone?.(invite);
        return phone !== undefined;
      },
      contactsOf: (aor) => this.rows.filter((r) => r.user === aor).map((r) => uriOf(r.contact)),
      newUuid: randomUUID,
    });
  }

  static async start(password: string): Promise<FreeswitchStandIn> {
    const standIn = new FreeswitchStandIn(password);
    await new Promise<void>((listening) => standIn.#server.listen(0, '127.0.0.1', listening));
    return standIn;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get clients(): number {
    return this.#clients.size;
  }

  async stop(): Promise<void> {
    this.dropClients();
    await new Promise<void>((closed) => this.#server.close(() => closed()));
  }

  dropClients(): void {
    for (const { socket } of this.#clients) socket.destroy();
  }

  /** To everybody who listens: a whole event, or whatever bytes. */
  say(bytes: Buffer, ...kinds: string[]): void {
    const kind =
      kinds[0] ??
      /"Event-(?:Subclass)":"([^"]+)"/.exec(bytes.toString())?.[1] ??
      /"Event-Name":"([^"]+)"/.exec(bytes.toString())?.[1];
    for (const { socket, subscribed } of this.#clients) if (kind && subscribed.has(kind)) socket.write(bytes);
  }

  /** The same contact again is a refresh. */
  register(
    user: string,
    contact: string,
    callId: string,
    seconds = 3_600,
    stampLagMs = 0,
    /** Variables of the user's directory entry. */
    directory: Readonly<Record<string, string>> = {},
  ): void {
    const dropsEpochSeconds = Math.floor(Date.now() / 1_000) + seconds + LATE_MARGIN_SECONDS;
    this.rows = [...this.rows.filter((r) => r.contact !== contact), { user, callId, contact, dropsEpochSeconds }];
    const [name, host] = user.split('@');
    this.say(
      event('CUSTOM sofia::register', {
        'from-user': name,
        'from-host': host,
        contact,
        'call-id': callId,
        expires: String(seconds),
        'Event-Date-Timestamp': String((Date.now() - stampLagMs) * 1_000),
        ...directory,
      }),
    );
  }

  unregister(user: string, contact: string | undefined, callId: string, reason?: string, stampLagMs = 0): void {
    if (contact !== undefined) this.rows = this.rows.filter((r) => r.contact !== contact);
    const [name, host] = user.split('@');
    this.say(
      event('CUSTOM sofia::unregister', {
        'from-user': name,
        'from-host': host,
        contact,
        'call-id': callId,
        reason,
        'Event-Date-Timestamp': String((Date.now() - stampLagMs) * 1_000),
      }),
    );
  }

  /** A REGISTER with credentials that it answers 403, or a call. */
  refuse(user: string, domain: string, type: 'REGISTER' | 'INVITE' = 'REGISTER'): void {
    this.say(
      event('CUSTOM sofia::register_failure', {
        'to-user': user,
        'to-host': domain,
        'registration-type': type,
        'Event-Date-Timestamp': String(Date.now() * 1_000),
      }),
    );
  }

  /** Who answers INVITEs sent to this host and port. */
  phone(place: string, onInvite: (invite: StandInInvite) => void): void {
    this.#phones.set(place, onInvite);
  }

  /** The node calls are told to; undefined while nobody's lease is live. */
  get leaseHolder(): string | undefined {
    const isLive = Number(this.hash.get('pushwake/until') ?? 0) > this.#nowSeconds();
    return isLive ? this.hash.get('pushwake/node') : undefined;
  }

  #nowSeconds(): number {
    return Math.floor(Date.now() / 1_000) + this.aheadSeconds;
  }

  /** What the dialplan does: looks at lease and mark, tells, waits, rings. */
  call(aor: string) {
    const held = this.leaseHolder !== undefined && this.hash.get(`pushwake_aor/${aor}`) === '1';
    const observed = Number(this.hash.get('pushwake/observe') ?? 0) > Date.now() / 1_000;
    return this.channels.call(aor, held, this.hash.get('pushwake/node') ?? '', observed);
  }

  /** How many empty lines have come: the link asks so for events that are held back. */
  emptyLines = 0;

  #connected(socket: Socket): void {
    const client: Client = { socket, loggedIn: false, subscribed: new Set() };
    this.#clients.add(client);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#clients.delete(client));
    socket.write(frame({ 'Content-Type': 'auth/request' }));
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const unread = rest + text;
      // An empty line in front of a command is none.
      const begun = unread.replace(/^\n+/, '');
      this.emptyLines += unread.length - begun.length;
      const commands = begun.split('\n\n');
      rest = commands.pop() ?? '';
      if (!this.hangs) for (const command of commands) this.#command(client, command.replace(/^\n+/, ''));
    });
  }

  #command(client: Client, text: string): void {
    const [line = '', ...headers] = text.split('\n');
    const reply = (words: string) =>
      client.socket.write(frame({ 'Content-Type': 'command/reply', 'Reply-Text': words }));
    if (line.startsWith('auth ')) {
      client.loggedIn = line === `auth ${this.#password}`;
      reply(client.loggedIn ? '+OK accepted' : '-ERR invalid');
      if (!client.loggedIn) {
        const bye = 'Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n';
        client.socket.end(frame({ 'Content-Type': 'text/disconnect-notice' }, bye));
      }
      return;
    }
    if (!client.loggedIn) return void reply('-ERR command not found');
    this.commands.push(line);
    this.beforeAnswer(line);
    const [, kind, rest = ''] = /^(event json|api|bgapi) (.*)$/.exec(line) ?? [];
    switch (kind) {
      case 'event json':
        client.subscribed = new Set(rest.split(' '));
        return void reply('+OK event listener enabled json');
      case 'api': {
        const body = this.#api(rest);
        return void client.socket.write(frame({ 'Content-Type': 'api/response' }, body || '-ERR no reply\n'));
      }
      case 'bgapi': {
        const job = /^Job-UUID: (.*)$/m.exec(headers.join('\n'))?.[1] ?? randomUUID();
        reply(`+OK Job-UUID: ${job}`);
        if (rest.startsWith('originate ')) setImmediate(() => this.channels.originate(rest.slice('originate '.length)));
        return;
      }
      default:
        return void reply('-ERR command not found');
    }
  }

  #api(line: string): string {
    const [name = '', ...args] = line.split(' ');
    switch (name) {
      case 'strepoch':
        return String(this.#nowSeconds());
      case 'version':
        return 'FreeSWITCH Version 1.11.1-release~64bit (stand-in)\n';
      case 'hash':
        return this.#hash(args[0] ?? '');
      case 'sofia':
        return this.#sofia(args);
      case 'show':
        return JSON.stringify({ row_count: this.channels.rows().length, rows: this.channels.rows() });
      case 'uuid_dump':
        return JSON.stringify(this.channels.dump(args[0] ?? '') ?? '-ERR');
      case 'uuid_getvar':
        return this.channels.variable(args[0] ?? '', args[1] ?? '') ?? '_undef_';
      case 'uuid_setvar':
        return found(this.channels.setVariable(args[0] ?? '', args[1] ?? '', args[2] ?? ''));
      case 'uuid_break':
        return found(this.channels.break(args[0] ?? ''));
      case 'uuid_kill':
        return found(this.channels.kill(args[0] ?? '', args[1] ?? 'NORMAL_CLEARING'));
      default:
        return `-ERR ${name} Command not found!\n`;
    }
  }

  #hash(arg: string): string {
    const [verb, realm, key, value = ''] = arg.split('/');
    const name = `${realm}/${key}`;
    if (verb === 'select') return this.hash.get(name) ?? '';
    if (verb === 'insert_ifempty' && this.hash.has(name)) return '-ERR key already exists\n';
    if (verb === 'insert' || verb === 'insert_ifempty') this.hash.set(name, value);
    else if (!this.hash.delete(name)) return '-ERR Not found\n';
    return '+OK\n';
  }

  #sofia(args: readonly string[]): string {
    const verb = args[0];
    const [named, what, arg] = verb === 'xmlstatus' ? args.slice(2) : args.slice(1);
    const profile = named === ALIAS ? 'internal' : named;
    if (profile !== 'internal') return verb === 'xmlstatus' ? 'Invalid Profile!\n' : `Invalid Profile [${profile}]`;
    const nowSeconds = Math.floor(Date.now() / 1_000);
    if (verb === 'xmlstatus') {
      if (what === undefined) {
        const names = `<name>${named}</name>${named === ALIAS ? `<alias-of>${profile}</alias-of>` : ''}`;
        return `<profile><profile-info>${names}<url>sip:mod_sofia@127.0.0.1:5060</url></profile-info></profile>\n`;
      }
      const rows = this.rows.filter((r) =>
        what === 'user' ? namesUser(arg ?? '', r.user) : r.contact.includes(arg ?? ''),
      );
      return xmlProfile(rows.map((r) => xmlRow({ ...r, seconds: r.dropsEpochSeconds - nowSeconds })).join(''));
    }
    if (what !== 'flush_inbound_reg') return '-ERR\n';
    // An empty argument flushes everybody, as the real one does.
    const gone = this.rows.filter((r) => !arg || r.callId === arg || namesUser(arg, r.user));
    this.rows = this.rows.filter((r) => !gone.includes(r));
    for (const row of gone) {
      const [user, host] = row.user.split('@');
      this.say(
        event('CUSTOM sofia::expire', {
          user,
          host,
          contact: row.contact,
          'call-id': row.callId,
          expires: String(row.dropsEpochSeconds),
        }),
      );
    }
    return '+OK flushing all registrations matching specified call_id\n';
  }
}

const found = (there: boolean) => (there ? '+OK\n' : '-ERR No such channel!\n');
/** FreeSWITCH reads `user@host`, and a text without `@` as a whole domain. */
const namesUser = (text: string, user: string) => (text.includes('@') ? text === user : user.endsWith(`@${text}`));
const uriOf = (contact: string) => /<([^>]*)>?/.exec(contact)?.[1] ?? contact;
const placeOf = (uri: string) => /@([^;]+)/.exec(uri)?.[1] ?? '';
