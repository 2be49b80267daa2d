/**
 * The files of a FusionPBX. It makes the dialplan of every context from its database, but for names with an `@` in which the database has
 * nothing: those are read from files. So our context has such a name. Its event socket's password is FusionPBX's own, and stays.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../manifest.ts';
import { eventSocketOf } from './freeswitch.ts';
import { type Plan, type PlannedFile, textOf, whole } from './plan.ts';
import { FUSIONPBX_WEBRTC } from './webrtc.ts';

/** Name of our context beside FusionPBX's. */
const CONTEXT = 'pushwake@fusionpbx';
const CONFIG = ['/etc/fusionpbx/config.conf', '/usr/local/etc/fusionpbx/config.conf'];
const LUA = join('resources', 'functions', 'config.lua');

export const looksLikeFusionpbx = (): boolean => CONFIG.some((path) => existsSync(path));

/** FreeSWITCH's dialplan of ours, in the context for FusionPBX. */
export function dialplanOf(text: string): string {
  return text
    .replaceAll('<context name="pushwake">', `<context name="${CONTEXT}">`)
    .replaceAll(' XML pushwake"', ` XML ${CONTEXT}"`)
    .replace(/\bpushwake_context=pushwake\b/, `pushwake_context=${CONTEXT}`);
}

/** Our folder stands before FusionPBX's own. Undefined: there is no place for it. */
function withScripts(lua: string, folder: string): string | undefined {
  const ours = `<param name="script-directory" value="${folder}/?.lua"/>`;
  if (lua.includes(ours)) return lua;
  const lines = lua.split('\n');
  const first = lines.findIndex((line) => line.trim().startsWith('<param name="script-directory"'));
  if (first < 0) return undefined;
  const margin = /^\s*/.exec(lines[first] as string)?.[0] ?? '';
  return [...lines.slice(0, first), `${margin}${ours}`, ...lines.slice(first)].join('\n');
}

export interface FusionpbxInput {
  /** Where the files are looked at and written: a copy of `site` for `--undo`. */
  readonly folder: string;
  /** Where FreeSWITCH reads them. */
  readonly site: string;
  /** What a phone in the browser needs as well. */
  readonly webrtc: boolean;
}

export function planFusionpbx({ folder, site, webrtc }: FusionpbxInput): Plan {
  const like = join(folder, 'freeswitch.xml');
  const shipped = (...name: string[]) => readFileSync(join(PACKAGE_ROOT, 'config', ...name), 'utf8');
  const scripts = join('pushwake', 'lua');
  const luaConf = join(folder, 'autoload_configs', 'lua.conf.xml');
  const before = textOf(luaConf);
  const after = before === undefined ? undefined : withScripts(before, join(site, scripts));
  const files: PlannedFile[] = [
    whole(
      join(folder, 'dialplan', 'pushwake.xml'),
      dialplanOf(shipped('freeswitch', 'pushwake-dialplan.xml')),
      0o644,
      like,
    ),
    whole(join(folder, scripts, LUA), shipped('fusionpbx', 'lua', LUA), 0o644, like),
    ...(after === undefined ? [] : [whole(luaConf, after, 0o644, like)]),
  ];
  return {
    files,
    notes: [
      ...(eventSocketOf(folder).password === 'ClueCon'
        ? [
            'event_socket.conf.xml has the password that everybody knows (ClueCon): change it in FusionPBX, and in pushwake.yaml.',
          ]
        : []),
      ...(after === undefined
        ? [
            `${luaConf} has no script-directory: without one, ring groups and follow-me wake nobody (docs/getting-started-fusionpbx.md).`,
          ]
        : []),
      `By hand, once: Dialplan Manager, local_extension, the action bridge "user/\${destination_number}@\${domain_name}" becomes execute_extension "\${destination_number}@\${domain_name} XML ${CONTEXT}".`,
      `Agents of the call center: their contact becomes loopback/1001@<domain>/${CONTEXT}/XML.`,
      'The SIP profile of your mobiles (Advanced, SIP Profiles): compare it with config/freeswitch/pushwake-profile.xml.',
      ...(webrtc ? FUSIONPBX_WEBRTC : []),
    ],
    // mod_lua reads lua.conf.xml when FreeSWITCH starts, and only then.
    reload: ['fs_cli -x reloadxml', 'systemctl restart freeswitch   # when no call is up: the Lua scripts need it'],
  };
}
