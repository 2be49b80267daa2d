/** What stands in FusionPBX's database and in its configuration file: the tables of its apps, and the rows that its web interface would write. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { passwordOf } from '../support/asterisk/config.ts';
import type { Checkout } from '../support/fusionpbx/checkout.ts';

export const TENANTS = ['example.com', 'example.org'] as const;
export type Tenant = (typeof TENANTS)[number];

/** Columns of `v_extensions` that differ from one extension to the next. */
type Extension = Readonly<Record<string, string>>;

export interface Site {
  /** By number; those of the first tenant. The second has 1001 and 2000. */
  readonly extensions: Readonly<Record<string, Extension>>;
  /** Numbers of extensions with a mailbox. Default: none. */
  readonly mailboxes?: readonly string[];
  /** Destinations by the number of the extension. */
  readonly followMe: Readonly<Record<string, readonly string[]>>;
  readonly ringGroups: Readonly<
    Record<string, { readonly strategy: string; readonly members: readonly string[]; readonly record?: boolean }>
  >;
  /** Other rows of the dialplan of the first tenant: actions by number. */
  readonly rows?: Readonly<Record<string, string>>;
  /** Agents and queue of the call center: XML of callcenter.conf. */
  readonly configurations?: string;
}

export const SHIPPED = fileURLToPath(new URL('../../config/fusionpbx', import.meta.url));

/** What the row of `local_extension` says after the page of FusionPBX was followed. */
export const BRIDGE = `application="bridge" data="user/\${destination_number}@\${domain_name}"`;
export const OURS = `application="execute_extension" data="\${destination_number}@\${domain_name} XML pushwake@fusionpbx"`;

/** Its `config.conf`. `scripts` and `folder`: as FreeSWITCH sees them. */
export function configOf(scripts: string, folder: string, port: number): string {
  const database = (n: number) =>
    Object.entries({
      type: 'pgsql',
      host: '127.0.0.1',
      port,
      sslmode: 'disable',
      name: 'fusionpbx',
      username: 'fusionpbx',
      password: 'x',
    })
      .map(([key, value]) => `database.${n}.${key} = ${value}\n`)
      .join('');
  return `${database(0)}${database(1)}switch.scripts.dir = ${scripts}
switch.sounds.dir = ${folder}
switch.recordings.dir = ${folder}
switch.storage.dir = ${folder}
switch.voicemail.dir = ${folder}
switch.conf.dir = ${folder}
temp.dir = ${folder}
cache.method = file
cache.location = ${folder}
`;
}

export const tables = (checkout: Checkout) =>
  checkout.tables
    .map(
      ({ name, columns }) =>
        `CREATE TABLE IF NOT EXISTS ${name} (${columns.map((c) => `"${c.name}" ${c.type}`).join(', ')});`,
    )
    .join('\n');

const literal = (value: string) => `'${value.replaceAll("'", "''")}'`;

export function insert(table: string, of: Readonly<Record<string, string>>): string {
  const names = Object.keys(of).map((name) => `"${name}"`);
  return `INSERT INTO ${table} (${names.join(', ')}) VALUES (${Object.values(of).map(literal).join(', ')});`;
}

/** `plain`: as FusionPBX is installed, without what the page has an administrator change. */
export function rows(checkout: Checkout, site: Site, plain: boolean): string {
  const domains = new Map(TENANTS.map((name) => [name, randomUUID()] as const));
  const uuidOf = (tenant: Tenant) => domains.get(tenant) as string;
  const [first, second] = TENANTS;
  const extension = (tenant: Tenant, number: string, own: Extension): string =>
    insert('v_extensions', {
      extension_uuid: randomUUID(),
      domain_uuid: uuidOf(tenant),
      extension: number,
      password: passwordOf({ id: number }),
      user_context: tenant,
      accountcode: tenant,
      effective_caller_id_name: `User ${number}`,
      effective_caller_id_number: number,
      call_timeout: '30',
      limit_max: '5',
      limit_destination: '!USER_BUSY',
      enabled: 'true',
      do_not_disturb: 'false',
      forward_all_enabled: 'false',
      forward_busy_enabled: 'false',
      forward_no_answer_enabled: 'false',
      forward_user_not_registered_enabled: 'false',
      ...own,
    });
  const followMe = new Map(Object.keys(site.followMe).map((number) => [number, randomUUID()] as const));
  return [
    ...TENANTS.map((name) =>
      insert('v_domains', { domain_uuid: uuidOf(name), domain_name: name, domain_enabled: 'true' }),
    ),
    insert('v_default_settings', {
      default_setting_uuid: randomUUID(),
      default_setting_category: 'domain',
      default_setting_subcategory: 'dial_string',
      default_setting_name: 'text',
      // As FusionPBX is installed.
      default_setting_value: `{sip_invite_domain=\${domain_name},leg_timeout=\${call_timeout},presence_id=\${dialed_user}@\${dialed_domain}}\${sofia_contact(*/\${dialed_user}@\${dialed_domain})}`,
      default_setting_enabled: 'true',
    }),
    ...Object.entries(site.extensions).map(([number, own]) => {
      const uuid = followMe.get(number);
      return extension(first, number, uuid === undefined ? own : { ...own, follow_me_uuid: uuid });
    }),
    ...['1001', '2000'].map((number) => extension(second, number, {})),
    ...[...followMe].flatMap(([number, uuid]) => [
      insert('v_follow_me', { follow_me_uuid: uuid, domain_uuid: uuidOf(first), follow_me_enabled: 'true' }),
      ...(site.followMe[number] ?? []).map((destination, i) =>
        insert('v_follow_me_destinations', {
          follow_me_destination_uuid: randomUUID(),
          follow_me_uuid: uuid,
          domain_uuid: uuidOf(first),
          follow_me_destination: destination,
          follow_me_delay: '0',
          follow_me_timeout: '20',
          follow_me_order: String(i),
        }),
      ),
    ]),
    ...(site.mailboxes ?? []).map((number) =>
      insert('v_voicemails', {
        voicemail_uuid: randomUUID(),
        domain_uuid: uuidOf(first),
        voicemail_id: number,
        voicemail_password: '4711',
        voicemail_enabled: 'true',
        voicemail_local_after_email: 'true',
        greeting_id: '-1',
      }),
    ),
    ...Object.entries(site.rows ?? {}).map(([number, actions]) => dialplanRow(first, number, '100', actions)),
    ...Object.entries(site.ringGroups).flatMap(([number, group]) => ringGroup(uuidOf(first), first, number, group)),
    ...checkout.dialplans
      .filter((d) => d.enabled)
      .map((d) =>
        insert('v_dialplans', {
          dialplan_uuid: randomUUID(),
          dialplan_name: d.file,
          dialplan_context: d.context,
          dialplan_order: String(d.order),
          dialplan_enabled: 'true',
          // Its recordings are MP3, for which a FreeSWITCH needs mod_shout.
          dialplan_xml: (plain ? d.xml : changed(d.xml)).replace('record_ext=mp3', 'record_ext=wav'),
        }),
      ),
    ...(plain ? [] : [ownDialplan('506_pushwake_not_registered.xml')]),
  ].join('\n');
}

function ringGroup(domain: string, context: string, number: string, group: Site['ringGroups'][string]): string[] {
  const uuid = randomUUID();
  return [
    insert('v_ring_groups', {
      ring_group_uuid: uuid,
      domain_uuid: domain,
      ring_group_name: `group ${number}`,
      ring_group_extension: number,
      ring_group_strategy: group.strategy,
      ring_group_call_timeout: '20',
      ring_group_enabled: 'true',
      ring_group_timeout_app: 'hangup',
      ring_group_timeout_data: 'NO_ANSWER',
      ring_group_context: context,
    }),
    ...group.members.map((member) =>
      insert('v_ring_group_destinations', {
        ring_group_destination_uuid: randomUUID(),
        ring_group_uuid: uuid,
        domain_uuid: domain,
        destination_number: member,
        destination_delay: '0',
        destination_timeout: '15',
        destination_enabled: 'true',
      }),
    ),
    // Order and actions are those that FusionPBX's page for ring groups writes.
    dialplanRow(
      context,
      number,
      '101',
      `<action application="ring_ready" data=""/><action application="set" data="ring_group_uuid=${uuid}"/>
<action application="lua" data="app.lua ring_groups"/>`,
    ),
  ];
}

function dialplanRow(context: string, number: string, order: string, actions: string): string {
  return insert('v_dialplans', {
    dialplan_uuid: randomUUID(),
    dialplan_name: number,
    dialplan_context: context,
    dialplan_order: order,
    dialplan_enabled: 'true',
    dialplan_xml: `<extension name="${number}"><condition field="destination_number" expression="^${number}$">
${actions}</condition></extension>`,
  });
}

/** The one row that the page of FusionPBX has an administrator change. */
function changed(xml: string): string {
  return xml.includes('name="local_extension"') ? xml.replace(BRIDGE, OURS) : xml;
}

function ownDialplan(name: string): string {
  const xml = readFileSync(join(SHIPPED, 'dialplan', name), 'utf8').replace(/<!--[\s\S]*?-->/g, '');
  return insert('v_dialplans', {
    dialplan_uuid: randomUUID(),
    dialplan_name: name,
    dialplan_context: 'global',
    dialplan_order: /\border="(\d+)"/.exec(xml)?.[1] ?? '',
    dialplan_enabled: 'true',
    dialplan_xml: xml,
  });
}
