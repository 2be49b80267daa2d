/**
 * The configuration files of one Asterisk instance, as text. Pure: what a test asks for in, file names and contents out.
 * Written as an administrator of a small PBX would, so that the product's snippets meet ordinary surroundings.
 */
import type { AsteriskPorts } from './ports.ts';

/** One endpoint and auth of the same name, and its AOR: of the same name too, unless others are named. */
export interface SipUser {
  readonly id: string;
  /** Default: `secret-<id>`, see `passwordOf`. */
  readonly password?: string;
  /** Name and number shown to others. Default: `User <id>`. */
  readonly callerId?: string;
  /** AORs of the endpoint; endpoints may share one. Default: one of the endpoint's name. */
  readonly aors?: readonly string[];
  /** Contacts kept at once; one more is refused with 403 (unless removeExisting). Default 10. */
  readonly maxContacts?: number;
  /** The oldest contact gives way to a new one. Default false. */
  readonly removeExisting?: boolean;
  /** Replace the Contact by the address the REGISTER came from. Default false. */
  readonly rewriteContact?: boolean;
  /** Accept Path headers. Default false. */
  readonly supportPath?: boolean;
  /** Seconds between OPTIONS; 0 is off. Default 0. */
  readonly qualify?: number;
  /** Longest registration granted, in seconds. Default: 604800, a week. */
  readonly maximumExpiration?: number;
  /** Any further lines for the endpoint or the AOR, each `name=value`. */
  readonly endpointLines?: readonly string[];
  readonly aorLines?: readonly string[];
}

export interface AriUser {
  readonly name: string;
  readonly password: string;
  readonly readOnly?: boolean;
}

/** Where Asterisk sends its copies of SIP messages. */
export interface HepTarget {
  readonly port: number;
  readonly host?: string;
  readonly password?: string;
}

/** Everything of an instance that shows in its configuration. Folders are paths inside the chroot. */
export interface ConfigInput {
  readonly folder: string;
  readonly moduleDir: string;
  readonly ports: AsteriskPorts;
  readonly users: readonly SipUser[];
  readonly ariUsers: readonly AriUser[];
  /** Text for extensions.conf, before the includes: the product's snippets ask to stand at the end. */
  readonly extensions: string;
  /** Text for queues.conf. */
  readonly queues: string;
  readonly hep: HepTarget | undefined;
  /** Modules to load that a PBX for softphones does without, without `.so`. */
  readonly modules: readonly string[];
  /** Modules that stay away, without `.so`. */
  readonly without: readonly string[];
  /** Names of files in the configuration folder to include, by the file that shall include them. */
  readonly includes: ReadonlyMap<string, readonly string[]>;
}

/** Dialplan when a test brings none: every number rings the endpoint of that name. */
export const PLAIN_DIALPLAN = `[internal]
exten => _X.,1,Dial(PJSIP/\${EXTEN},30)
 same => n,Hangup(\${HANGUPCAUSE})
`;

/** ARI user every instance has. */
export const TEST_ARI_USER: AriUser = { name: 'test', password: 'test-ari-secret' };

export function passwordOf(user: SipUser): string {
  return user.password ?? `secret-${user.id}`;
}

export function configFiles(input: ConfigInput): Map<string, string> {
  const included = (file: string): string =>
    (input.includes.get(file) ?? []).map((name) => `#include "${name}"\n`).join('');
  const { ports } = input;
  const files = new Map<string, string>([
    ['asterisk.conf', asteriskConf(input.folder, input.moduleDir)],
    [
      'modules.conf',
      modulesConf(input.hep !== undefined || input.includes.has('hep.conf'), input.modules, input.without),
    ],
    [
      'logger.conf',
      section('general', 'dateformat=%F %T.%3q') + section('logfiles', 'messages => notice,warning,error,verbose'),
    ],
    ['http.conf', section('general', 'enabled=yes', 'bindaddr=127.0.0.1', `bindport=${ports.ari}`, 'sessionlimit=200')],
    [
      'ari.conf',
      section('general', 'enabled=yes', 'pretty=no') + input.ariUsers.map(ariUser).join('') + included('ari.conf'),
    ],
    ['manager.conf', section('general', 'enabled=no')],
    ['pjsip.conf', pjsipConf(input) + included('pjsip.conf')],
    ['rtp.conf', section('general', `rtpstart=${ports.rtpFirst}`, `rtpend=${ports.rtpLast}`) + included('rtp.conf')],
    ['cdr.conf', section('general', 'enable=yes', 'unanswered=no') + section('csv', 'loguniqueid=yes')],
    ['features.conf', section('general', 'pickupexten=*8') + section('featuremap', 'blindxfer=#1', 'atxfer=*2')],
    ['queues.conf', section('general', 'persistentmembers=no') + included('queues.conf') + input.queues],
    ['musiconhold.conf', section('default', 'mode=files', 'directory=/usr/share/asterisk/sounds')],
    // Looked for by the core; empty is enough.
    ...['acl.conf', 'ccss.conf', 'cel.conf', 'pjproject.conf', 'udptl.conf', 'websocket_client.conf'].map(
      (name) => [name, ''] as const,
    ),
    ['indications.conf', INDICATIONS],
    [
      'extensions.conf',
      section('general', 'static=yes', 'writeprotect=yes') + input.extensions + included('extensions.conf'),
    ],
  ]);
  const hep = input.hep;
  if (input.includes.has('hep.conf')) files.set('hep.conf', included('hep.conf'));
  else if (hep) {
    const target = `capture_address=${hep.host ?? '127.0.0.1'}:${hep.port}`;
    const password = hep.password === undefined ? [] : [`capture_password=${hep.password}`];
    files.set('hep.conf', section('general', 'enabled=yes', target, ...password, 'capture_id=1', 'uuid_type=call-id'));
  }
  for (const [file, names] of input.includes) {
    // Snippets for a file that is not written here become that file.
    if (!files.has(file)) files.set(file, names.map((name) => `#include "${name}"\n`).join(''));
  }
  return files;
}

function section(name: string, ...lines: readonly string[]): string {
  return `[${name}]\n${lines.join('\n')}\n\n`;
}

function template(name: string, ...lines: readonly string[]): string {
  return `[${name}](!)\n${lines.join('\n')}\n\n`;
}

function asteriskConf(folder: string, moduleDir: string): string {
  return (
    section(
      'directories',
      `astetcdir => ${folder}/etc`,
      `astmoddir => ${moduleDir}`,
      `astvarlibdir => ${folder}/lib`,
      `astdbdir => ${folder}/db`,
      `astkeydir => ${folder}/lib`,
      // Read-only and the same for all: the ARI description, sounds.
      'astdatadir => /usr/share/asterisk',
      'astagidir => /usr/share/asterisk/agi-bin',
      `astspooldir => ${folder}/spool`,
      `astrundir => ${folder}/run`,
      `astlogdir => ${folder}/log`,
      'astsbindir => /usr/sbin',
    ) + section('options', 'verbose = 3', 'nocolor = yes', 'maxfiles = 65000')
  );
}

/**
 * What a PBX for softphones does not need: less to start, no other ports opened, and no complaint about a missing
 * configuration file, so that a warning in the log means something.
 */
const NOLOAD: readonly string[] = [
  ...['alsa', 'console', 'oss', 'sip', 'skinny', 'mgcp', 'unistim', 'iax2', 'dahdi', 'mobile', 'ooh323'].map(
    (name) => `chan_${name}`,
  ),
  ...['motif', 'phone', 'mISDN', 'vpb', 'websocket'].map((name) => `chan_${name}`),
  ...['adsi', 'aeap', 'clialiases', 'config_ldap', 'config_odbc', 'config_pgsql', 'config_sqlite3'].map(
    (name) => `res_${name}`,
  ),
  ...['corosync', 'fax', 'fax_spandsp', 'geolocation', 'hep_rtcp', 'http_media_cache', 'odbc', 'odbc_transaction'].map(
    (name) => `res_${name}`,
  ),
  ...['parking', 'phoneprov', 'prometheus', 'snmp', 'speech_aeap', 'statsd', 'stir_shaken', 'stun_monitor'].map(
    (name) => `res_${name}`,
  ),
  ...['timing_dahdi', 'xmpp', 'chan_stats', 'endpoint_stats', 'calendar'].map((name) => `res_${name}`),
  ...['caldav', 'exchange', 'ews', 'icalendar'].map((name) => `res_calendar_${name}`),
  ...['config_wizard', 'geolocation', 'notify', 'phoneprov_provider', 'stir_shaken'].map((name) => `res_pjsip_${name}`),
  ...['adaptive_odbc', 'custom', 'manager', 'odbc', 'pgsql', 'radius', 'sqlite3_custom', 'tds'].map(
    (name) => `cdr_${name}`,
  ),
  ...['custom', 'manager', 'odbc', 'pgsql', 'radius', 'sqlite3_custom', 'tds'].map((name) => `cel_${name}`),
  ...['adsiprog', 'agent_pool', 'alarmreceiver', 'amd', 'confbridge', 'festival', 'flash', 'followme'].map(
    (name) => `app_${name}`,
  ),
  ...['getcpeid', 'meetme', 'minivm', 'page', 'voicemail', 'voicemail_imap', 'voicemail_odbc'].map(
    (name) => `app_${name}`,
  ),
  ...['func_odbc', 'pbx_ael', 'pbx_dundi', 'pbx_lua'],
];

function modulesConf(withHep: boolean, wanted: readonly string[], without: readonly string[]): string {
  const left = (withHep ? NOLOAD : [...NOLOAD, 'res_hep', 'res_hep_pjsip']).filter((name) => !wanted.includes(name));
  return section('modules', 'autoload=yes', ...[...left, ...without].map((name) => `noload => ${name}.so`));
}

function ariUser(user: AriUser): string {
  return section(user.name, 'type=user', `read_only=${yesNo(user.readOnly ?? false)}`, `password=${user.password}`);
}

function pjsipConf({ folder, ports, users }: ConfigInput): string {
  const transport = (name: string, bind: number, ...more: string[]): string =>
    section(`transport-${name}`, 'type=transport', `protocol=${name}`, `bind=127.0.0.1:${bind}`, ...more);
  const keys = [`cert_file=${folder}/etc/keys/cert.pem`, `priv_key_file=${folder}/etc/keys/key.pem`, 'method=tlsv1_2'];
  return (
    section(
      'global',
      'type=global',
      'user_agent=pushwake-test',
      'endpoint_identifier_order=auth_username,username,ip,anonymous',
      // As the getting-started page advises: a burst of ARI events must not make PJSIP refuse calls.
      'taskprocessor_overload_trigger=pjsip_only',
    ) +
    transport('udp', ports.udp) +
    transport('tcp', ports.tcp) +
    transport('tls', ports.tls, ...keys) +
    template(
      'user-endpoint',
      'type=endpoint',
      'context=internal',
      'disallow=all',
      'allow=ulaw',
      'direct_media=no',
      'rtp_symmetric=yes',
      'force_rport=yes',
      'send_pai=yes',
      'trust_id_outbound=yes',
      'call_group=1',
      'pickup_group=1',
    ) +
    template('user-auth', 'type=auth', 'auth_type=userpass') +
    template('user-aor', 'type=aor', 'minimum_expiration=5', 'default_expiration=3600') +
    users.map(sipUser).join('') +
    sipAors(users)
  );
}

function sipUser(user: SipUser): string {
  const from = (template: string, ...lines: readonly string[]): string =>
    `[${user.id}](${template})\n${lines.join('\n')}\n\n`;
  return (
    from(
      'user-endpoint',
      `auth=${user.id}`,
      `aors=${aorsOf(user).join(',')}`,
      `callerid=${user.callerId ?? `User ${user.id} <${user.id}>`}`,
      `rewrite_contact=${yesNo(user.rewriteContact ?? false)}`,
      ...(user.endpointLines ?? []),
    ) + from('user-auth', `username=${user.id}`, `password=${passwordOf(user)}`)
  );
}

const aorsOf = (user: SipUser): readonly string[] => user.aors ?? [user.id];

/** One section for each name; the first endpoint that has it says how it is set. */
function sipAors(users: readonly SipUser[]): string {
  const owners = new Map<string, SipUser>();
  for (const user of users) for (const name of aorsOf(user)) if (!owners.has(name)) owners.set(name, user);
  const aor = ([name, user]: readonly [string, SipUser]): string =>
    `[${name}](user-aor)\n${[
      `max_contacts=${user.maxContacts ?? 10}`,
      `remove_existing=${yesNo(user.removeExisting ?? false)}`,
      `support_path=${yesNo(user.supportPath ?? false)}`,
      `qualify_frequency=${user.qualify ?? 0}`,
      `maximum_expiration=${user.maximumExpiration ?? 604_800}`,
      ...(user.aorLines ?? []),
    ].join('\n')}\n\n`;
  return [...owners].map(aor).join('');
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

const INDICATIONS =
  section('general', 'country=us') +
  section(
    'us',
    'description=United States',
    'ringcadence=2000,4000',
    'dial=350+440',
    'busy=480+620/500,0/500',
    'ring=440+480/2000,0/4000',
    'congestion=480+620/250,0/250',
  );
