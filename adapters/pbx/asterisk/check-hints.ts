/**
 * Hints and dial strings of the administrator's own dialplan that lose something: a hint that names our leg, which has ended when the
 * phone talks, and options of Dial that cannot reach a phone behind a Local leg. FreePBX keeps what it dials in AstDB, and puts its own
 * back when the driver of an extension is changed or the field is emptied.
 */
import type { Finding } from '../../../plugin/ports/finding.ts';
import { checkQueues } from './check-queues.ts';
import type { AriProbe, ProbeChannel } from './probe.ts';

/** How many accounts' hints are read at most; further ones come from the same template. */
const LOOKED_AT = 500;
/** How many contexts of phones are read at most, and how many lines of each. */
const CONTEXTS_READ = 4;
const LINES_READ = 200;
const NAMED = 5;

const OUR_LEG = /^Local\/[^&]*@pushwake/;

export async function checkHints(ari: AriProbe, channel: ProbeChannel): Promise<Finding[]> {
  const { status, body } = await ari.ask('GET', 'endpoints/PJSIP');
  if (status !== 200 || !Array.isArray(body)) return [];
  const ids = (body as { resource: string }[]).map((e) => e.resource).slice(0, LOOKED_AT);
  const contexts = new Set<string>();
  const wrong: string[] = [];
  const putBack: string[] = [];
  let isFreePbx = false;
  for (const id of ids) {
    const endpoint = await ari.pjsip('endpoint', id);
    const context = endpoint?.get('context');
    if (!context) continue;
    contexts.add(context);
    const hint = await channel.read(`HINT(${id}@${endpoint?.get('subscribe_context') || context})`);
    if (OUR_LEG.test(hint ?? '')) wrong.push(id);
    const dials = (await channel.read(`DB(DEVICE/${id}/dial)`)) ?? '';
    if (dials !== '') isFreePbx = true;
    if (dials !== '' && !dials.includes('@pushwake') && hint?.includes(`Stasis:pushwake-${id}`)) putBack.push(id);
  }
  const lines = await dialplanLines(channel, [...contexts].slice(0, CONTEXTS_READ));
  return [
    ...hintFindings(wrong, isFreePbx),
    ...dialFindings(putBack),
    ...optionFindings(lines),
    ...(await checkQueues(channel, lines)),
  ];
}

function hintFindings(wrong: readonly string[], isFreePbx: boolean): Finding[] {
  const [first] = wrong;
  if (first === undefined) return [];
  return [
    {
      level: 'warn',
      what: 'hints',
      found: `name Local/…@pushwake, which is idle while the phone talks: lamps and call waiting are wrong (${named(wrong)})`,
      remedy: isFreePbx
        ? `\`pushwake init --pbx freepbx --extensions ${wrong.slice(0, NAMED).join(',')}\`, or "Hint Override" of the extension: PJSIP/${first}&Stasis:pushwake-${first}; then \`fwconsole reload\``
        : `write  exten => ${first},hint,PJSIP/${first}&Stasis:pushwake-${first}  and \`dialplan reload\``,
    },
  ];
}

function dialFindings(putBack: readonly string[]): Finding[] {
  const [first] = putBack;
  if (first === undefined) return [];
  return [
    {
      level: 'warn',
      what: 'FreePBX dial',
      found: `FreePBX does not ring these extensions through pushwake, though their lamps wait for it: ${named(putBack)}`,
      remedy: `Applications → Extensions → ${first} → Advanced → "Dial": Local/${first}@pushwake/n, Submit, Apply Config; FreePBX puts its own back when the driver is changed or the field is emptied`,
    },
  ];
}

const named = (all: readonly string[]): string =>
  `${all.slice(0, NAMED).join(', ')}${all.length > NAMED ? ` and ${all.length - NAMED} more` : ''}`;

async function dialplanLines(channel: ProbeChannel, contexts: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const context of contexts) {
    for (const kind of ['exten', 'same']) lines.push(...(await linesOf(channel, context, kind)));
  }
  return lines;
}

function optionFindings(lines: readonly string[]): Finding[] {
  const losing = lines.find(losesOptions);
  if (losing === undefined) return [];
  return [
    {
      level: 'warn',
      what: 'dial strings',
      found: `option I or o of a Dial cannot hold for a phone behind Local/…@pushwake: ${losing.slice(0, 120)}`,
      remedy: `write  Gosub(pushwake-dial,1001,1)  and  Dial(\${PUSHWAKE_DIAL},…)  there, or leave the option out`,
    },
  ];
}

async function linesOf(channel: ProbeChannel, context: string, kind: string): Promise<string[]> {
  const lines: string[] = [];
  for (let i = 0; i < LINES_READ; i++) {
    const line = await channel.read(`AST_CONFIG(extensions.conf,${context},${kind},${i})`);
    if (line === undefined || line === '') break;
    lines.push(line);
  }
  return lines;
}

/** A Dial of a Local leg of ours with option `I` or `o`. */
export function losesOptions(line: string): boolean {
  const dial = /\bDial\((.*)\)\s*$/.exec(line)?.[1];
  if (dial === undefined || !dial.includes('@pushwake')) return false;
  const options = dial.split(',').slice(2).join(',');
  return /[Io]/.test(options.replace(/\([^()]*(?:\([^()]*\))?[^()]*\)/g, ''));
}
