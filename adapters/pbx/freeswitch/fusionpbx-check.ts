/**
 * What `pushwake check` says of a FusionPBX: the row of its dialplan that an administrator changes by hand, and the folder of our Lua script. Both are
 * asked of FreeSWITCH's own Lua, which has FusionPBX's database open: pushwake needs no password of it. Questions only.
 */
import { visible } from '../../../plugin/core/visible.ts';
import type { Finding } from '../../../plugin/ports/finding.ts';
import type { EslConnection } from './connection.ts';

/** Name of our context there (`plugin/commands/init/fusionpbx.ts`). */
const CONTEXT = 'pushwake@fusionpbx';
const PAGE = 'docs/getting-started-fusionpbx.md';
/** Contexts that are named in one line. */
const SHOWN = 5;

/** One line, since the event socket ends a command at the first empty one. Each line that it writes begins with `pushwake-`. */
const QUESTION = [
  // Whether the script that FusionPBX's own ones load first is ours.
  `for t in package.path:gmatch("[^;]+") do local f = io.open((t:gsub("%?", "resources/functions/config"))) if f then local s = f:read(60) or "" f:close()`,
  `if s:find("pushwake for FusionPBX", 1, true) then stream:write("pushwake-script ours\\n") else stream:write("pushwake-script another\\n") end break end end`,
  // Which rows ring an extension, and how.
  'local ok, why = pcall(function() require "resources.functions.config" local Database = require "resources.functions.database" local dbh = Database.new("system")',
  `dbh:query("SELECT dialplan_context, dialplan_xml FROM v_dialplans WHERE dialplan_xml LIKE '%name=\\"local_extension\\"%' AND dialplan_enabled = 'true'", function(row)`,
  `local xml = row.dialplan_xml local how = "else" if xml:find("${CONTEXT}", 1, true) then how = "ours" elseif xml:find("user/\${destination_number}@\${domain_name}", 1, true) then how = "plain" end`,
  'stream:write("pushwake-row " .. how .. " " .. tostring(row.dialplan_context):gsub("%s", " "):sub(1, 100) .. "\\n") end) dbh:release() end)',
  'stream:write(ok and "pushwake-done\\n" or ("pushwake-failed " .. tostring(why):gsub("%s+", " "):sub(1, 160) .. "\\n"))',
].join(' ');

/** FreeSWITCH's lua.conf names the script that answers for FusionPBX's dialplan. */
export const isFusionpbx = (luaConf: string): boolean =>
  /name="xml-handler-script"\s+value="app(?:\.lua |\/)xml_handler/.test(luaConf.replace(/<!--[\s\S]*?-->/g, ''));

export const luaConfOf = (esl: EslConnection): Promise<string> =>
  esl.api('xml_locate configuration configuration name lua.conf');

export async function* fusionpbxFindings(esl: EslConnection, luaConf: string): AsyncIterable<Finding> {
  const context = await esl.api(`xml_locate dialplan context name ${CONTEXT}`);
  yield context.includes(`name="${CONTEXT}"`)
    ? { level: 'ok', what: 'dialplan', found: `context ${CONTEXT} is there` }
    : {
        level: 'fail',
        what: 'dialplan',
        found: `FreeSWITCH has no context ${CONTEXT}`,
        remedy: '`pushwake init --pbx fusionpbx --install`, then `fs_cli -x reloadxml`',
      };
  yield* saidFindings(await esl.api(`lua ~${QUESTION}`), luaConf);
}

/** `said`: what the question above wrote. */
export function* saidFindings(said: string, luaConf: string): Iterable<Finding> {
  const lines = said.split('\n').filter((line) => line.startsWith('pushwake-'));
  yield scriptFinding(lines, luaConf);
  const row = 'FusionPBX row';
  const rows = lines.flatMap((line) => {
    const [, how, context] = /^pushwake-row (ours|plain|else) (.*)$/.exec(line) ?? [];
    return how === undefined ? [] : [{ how, context: visible(context ?? '') }];
  });
  if (!lines.includes('pushwake-done')) {
    const why = visible(lines.find((line) => line.startsWith('pushwake-failed '))?.slice(16, 176) ?? '');
    yield {
      level: 'warn',
      what: row,
      found: `FusionPBX’s database cannot be asked from here${why && ` (${why})`}`,
      remedy: `look at it yourself: Dialplan Manager, local_extension (step 4 of ${PAGE})`,
    };
    return;
  }
  const plain = rows.filter(({ how }) => how === 'plain').map(({ context }) => context);
  const isOurs = rows.some(({ how }) => how === 'ours');
  if (plain.length === 0 && isOurs) {
    yield { level: 'ok', what: row, found: 'local_extension goes through pushwake' };
    return;
  }
  const remedy = `Dialplan Manager, local_extension: the action bridge \`user/\${destination_number}@\${domain_name}\` becomes execute_extension \`\${destination_number}@\${domain_name} XML ${CONTEXT}\`; save, then SIP Status, Flush Cache (step 4 of ${PAGE})`;
  const shown = `${plain.slice(0, SHOWN).join(', ')}${plain.length > SHOWN ? ` and ${plain.length - SHOWN} more` : ''}`;
  if (plain.length > 0)
    yield {
      level: isOurs ? 'warn' : 'fail',
      what: row,
      found: `local_extension (context ${shown}) rings extensions itself: their sleeping phones are not woken`,
      remedy,
    };
  else yield { level: 'warn', what: row, found: 'no row local_extension calls pushwake', remedy };
}

function scriptFinding(lines: readonly string[], luaConf: string): Finding {
  const what = 'FusionPBX scripts';
  if (lines.includes('pushwake-script ours'))
    return { level: 'ok', what, found: 'ring groups and follow-me load our script' };
  const isWritten = /<param name="script-directory" value="[^"]*pushwake\/lua\/\?\.lua"/.test(
    luaConf.replace(/<!--[\s\S]*?-->/g, ''),
  );
  return {
    level: 'warn',
    what,
    found: 'ring groups and follow-me wake nobody: FusionPBX’s scripts do not load ours first',
    remedy: isWritten
      ? 'lua.conf.xml names its folder: restart FreeSWITCH when no call is up, since it reads that file only then. If it was restarted, the line must stand before FusionPBX’s own'
      : '`pushwake init --pbx fusionpbx --install` writes the line into autoload_configs/lua.conf.xml (an upgrade of FusionPBX takes it out); then restart FreeSWITCH',
  };
}
