/**
 * The configuration of one FreeSWITCH instance, as one XML text. Pure. Written as an administrator of a small PBX would, so
 * that the product's snippets meet ordinary surroundings.
 */
import type { SipUser } from '../asterisk/config.ts';
import { passwordOf } from '../asterisk/config.ts';

/** All on 127.0.0.1, unless it says otherwise. */
export interface FreeswitchPorts {
  readonly udp: number;
  readonly tcp: number;
  readonly tls: number;
  /** Event socket. */
  readonly esl: number;
  readonly ws: number;
  readonly wss: number;
  /** SIP of the second profile, `callid`. */
  readonly second: number;
  /** SIP of the profile `v6`, on ::1. */
  readonly v6: number;
  readonly rtpFirst: number;
  readonly rtpLast: number;
}

export interface FreeswitchConfigInput {
  readonly folder: string;
  readonly domain: string;
  readonly ports: FreeswitchPorts;
  readonly users: readonly SipUser[];
  readonly eslPassword: string;
  /** Extensions of the context `default`, where phones call. */
  readonly extensions: string;
  /** A third profile, `v6`, on ::1. */
  readonly ipv6?: boolean;
  /** Variables of a user's directory entry, by user. */
  readonly directory?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What a user's directory entry says beside its password, by user. */
  readonly accounts?: Readonly<Record<string, FreeswitchAccount>>;
  /** Modules to load beside the usual ones. */
  readonly modules?: readonly string[];
  /** Default `prompt`: SIP comes last. `vanilla`: as FreeSWITCH is installed, SIP before what answers commands and keeps the lease. */
  readonly moduleOrder?: 'prompt' | 'vanilla';
  /** Further `<configuration>` elements. */
  readonly configurations?: string;
  /** Extensions of the chatplan's context `default`. Default: no chatplan. */
  readonly chatplan?: string;
  /** Files of the product, included beside the contexts. */
  readonly dialplans: readonly string[];
  /** Further `<param>` lines of the profile `internal`; those of the same name win over the ones here, an empty one leaves it out. */
  readonly profile?: Readonly<Record<string, string>>;
}

export interface FreeswitchAccount {
  /** In place of the domain's. */
  readonly dialString?: string;
  /** `number-alias`. */
  readonly alias?: string;
}

/** Loaded in this order; mod_sofia last, so that the first call finds everything there. */
const MODULES = [
  'mod_logfile',
  'mod_event_socket',
  'mod_commands',
  'mod_db',
  'mod_hash',
  'mod_dptools',
  'mod_dialplan_xml',
  'mod_loopback',
  'mod_tone_stream',
  'mod_sofia',
];

/** The same, in the order of FreeSWITCH's own `modules.conf.xml`. */
const VANILLA_MODULES = [
  'mod_logfile',
  'mod_event_socket',
  'mod_sofia',
  'mod_loopback',
  'mod_commands',
  'mod_db',
  'mod_dptools',
  'mod_hash',
  'mod_dialplan_xml',
  'mod_tone_stream',
];

const param = ([name, value]: readonly [string, string]) => `<param name="${name}" value="${escapeXml(value)}"/>`;
const params = (of: Readonly<Record<string, string>>) =>
  Object.entries(of)
    .filter(([, value]) => value !== '')
    .map(param)
    .join('\n');

const variables = (of: Readonly<Record<string, string>>) =>
  Object.entries(of)
    .map(([name, value]) => `<variable name="${name}" value="${escapeXml(value)}"/>`)
    .join('');

export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function configuration(name: string, of: Readonly<Record<string, string>>): string {
  return `<configuration name="${name}"><settings>\n${params(of)}\n</settings></configuration>\n`;
}

export function freeswitchXml(o: FreeswitchConfigInput): string {
  const { ports } = o;
  const profile = (name: string, settings: Readonly<Record<string, string>>) => `<profile name="${name}">
<aliases></aliases><gateways></gateways>
<domains><domain name="all" alias="false" parse="false"/></domains>
<settings>
${params(settings)}
</settings>
</profile>
`;
  const common = {
    context: 'default',
    dialplan: 'XML',
    'sip-ip': '127.0.0.1',
    'rtp-ip': '127.0.0.1',
    'codec-prefs': 'PCMU,PCMA',
    'inbound-codec-negotiation': 'generous',
    'auth-calls': 'true',
    'accept-blind-reg': 'false',
    'challenge-realm': 'auto_from',
    'force-register-domain': o.domain,
    'force-register-db-domain': o.domain,
    'force-subscription-domain': o.domain,
    'apply-nat-acl': 'nat',
    'manage-presence': 'false',
    'nonce-ttl': '60',
    'sip-expires-late-margin': '5',
    'log-auth-failures': 'true',
  };
  const account = (u: SipUser) => o.accounts?.[u.id] ?? {};
  const attributes = (u: SipUser) => (account(u).alias === undefined ? '' : ` number-alias="${account(u).alias}"`);
  const own = (u: SipUser) => {
    const { dialString } = account(u);
    return dialString === undefined ? '' : param(['dial-string', dialString]);
  };
  const user = (
    u: SipUser,
  ) => `<user id="${u.id}"${attributes(u)}><params><param name="password" value="${passwordOf(u)}"/>${own(u)}</params>
<variables><variable name="user_context" value="default"/>
<variable name="effective_caller_id_name" value="${escapeXml(/^(.*) <.*>$/.exec(u.callerId ?? '')?.[1] ?? `User ${u.id}`)}"/>
<variable name="effective_caller_id_number" value="${u.id}"/>${variables(o.directory?.[u.id] ?? {})}</variables></user>`;
  return `<?xml version="1.0"?>
<document type="freeswitch/xml">
<section name="configuration">
${configuration('switch.conf', {
  'colorize-console': 'false',
  'max-sessions': '2000',
  'sessions-per-second': '500',
  loglevel: 'info',
  'rtp-start-port': String(ports.rtpFirst),
  'rtp-end-port': String(ports.rtpLast),
  'enable-use-system-time': 'true',
})}
<configuration name="modules.conf"><modules>${[...(o.modules ?? []), ...(o.moduleOrder === 'vanilla' ? VANILLA_MODULES : MODULES)].map((m) => `<load module="${m}"/>`).join('')}</modules></configuration>
<configuration name="logfile.conf"><profiles><profile name="default">
<settings><param name="logfile" value="${o.folder}/log/freeswitch.log"/></settings>
<mappings><map name="all" value="info,notice,warning,err,crit,alert"/></mappings>
</profile></profiles></configuration>
<configuration name="acl.conf"><network-lists>
<list name="nat" default="deny"><node type="allow" cidr="10.0.0.0/8"/></list>
</network-lists></configuration>
${o.configurations ?? ''}
${configuration('event_socket.conf', {
  'nat-map': 'false',
  'listen-ip': '127.0.0.1',
  'listen-port': String(ports.esl),
  password: o.eslPassword,
})}
<configuration name="db.conf"><settings></settings></configuration>
<configuration name="hash.conf"><remotes></remotes></configuration>
<configuration name="sofia.conf">
<global_settings><param name="log-level" value="0"/></global_settings>
<profiles>
${profile('internal', {
  ...common,
  'sip-port': String(ports.udp),
  'multiple-registrations': 'contact',
  tls: 'true',
  'tls-bind-params': 'transport=tls',
  'tls-sip-port': String(ports.tls),
  'tls-cert-dir': `${o.folder}/conf/tls`,
  'tls-version': 'tlsv1.2',
  'tls-verify-policy': 'none',
  'tcp-unreg-on-socket-close': 'true',
  'ws-binding': `127.0.0.1:${ports.ws}`,
  'wss-binding': `127.0.0.1:${ports.wss}`,
  ...o.profile,
})}
${profile('callid', { ...common, 'sip-port': String(ports.second), 'multiple-registrations': 'call-id' })}
${o.ipv6 ? profile('v6', { ...common, 'sip-ip': '::1', 'rtp-ip': '::1', 'sip-port': String(ports.v6) }) : ''}
</profiles>
</configuration>
</section>
<section name="dialplan">
<context name="default">
${o.extensions}
</context>
${o.dialplans.map((file) => `<X-PRE-PROCESS cmd="include" data="${file}"/>`).join('\n')}
</section>
${o.chatplan === undefined ? '' : `<section name="chatplan"><context name="default">\n${o.chatplan}\n</context></section>`}
<section name="directory">
<domain name="${o.domain}">
<params><param name="dial-string" value="{^^:sip_invite_domain=\${dialed_domain}:presence_id=\${dialed_user}@\${dialed_domain}}\${sofia_contact(*/\${dialed_user}@\${dialed_domain})}"/></params>
<variables/>
<groups><group name="default"><users>
${o.users.map(user).join('\n')}
</users></group></groups>
</domain>
</section>
</document>
`;
}
