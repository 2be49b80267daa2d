/** Looks at one FreeSWITCH for `pushwake check`, by its event socket: questions only. */
import { instant, SECOND } from '../../../plugin/core/time.ts';
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import { clockFinding } from '../../shared/findings.ts';
import { EslConnection } from './connection.ts';
import { fusionpbxFindings, isFusionpbx, luaConfOf } from './fusionpbx-check.ts';
import { interfaceFinding } from './interface-check.ts';
import type { FreeswitchOptions } from './options.ts';
import { profileFindings, runningProfiles } from './profile-check.ts';
import { ownName } from './profile-names.ts';
import { whyNotBound } from './registrations/not-bound.ts';
import { readRegistrations } from './registrations/xml-status.ts';
import { webrtcOf } from './webrtc-check.ts';

const LEAST_VERSION = [1, 10, 5] as const;
const MODULES: readonly (readonly [name: string, why: string])[] = [
  ['mod_event_socket', 'this connection'],
  ['mod_sofia', 'SIP'],
  ['mod_hash', 'the marks of the dialplan'],
  ['mod_loopback', 'calls shown after their end'],
  ['mod_commands', 'what pushwake asks'],
  ['mod_dptools', 'the dialplan'],
  ['mod_dialplan_xml', 'the dialplan'],
];
const INCLUDE = 'copy config/freeswitch/pushwake-dialplan.xml to conf/dialplan/, then `reloadxml`';

export async function* check(options: FreeswitchOptions, deps: CheckDeps): AsyncIterable<Finding> {
  const what = 'event socket login';
  const { host, port, password } = options;
  const opened = await open(options, deps);
  if ('reason' in opened) {
    yield { level: 'fail', what, found: opened.reason, remedy: opened.hint };
    return;
  }
  const { esl } = opened;
  try {
    yield password === 'ClueCon'
      ? {
          level: 'warn',
          what,
          found: `${host}:${port} lets us in by the password everybody knows`,
          remedy: 'give event_socket.conf.xml one of your own (`openssl rand -hex 24`), then `reload mod_event_socket`',
        }
      : { level: 'ok', what, found: `${host}:${port}` };
    yield version(await esl.api('version'));
    const before = deps.clock.now();
    const epoch = Number((await esl.api('strepoch')).trim());
    // Whole seconds: it may be up to one later than it says.
    const theirs = instant(epoch * SECOND);
    if (epoch > 0) yield clockFinding('FreeSWITCH', theirs, instant(before - SECOND), deps.clock.now());
    yield* modules(esl);
    const interfaces = await interfaceFinding(esl);
    if (interfaces) yield interfaces;
    yield* profileFindings(esl, options);
    if (deps.browsers) yield* webrtcOf(esl, options.profiles, deps.browsers);
    yield* realmFindings(esl, options);
    const luaConf = await luaConfOf(esl);
    if (isFusionpbx(luaConf)) yield* fusionpbxFindings(esl, luaConf);
    else yield dialplan(await esl.api('xml_locate dialplan context name pushwake'));
  } finally {
    esl.close();
  }
}

async function open(
  options: FreeswitchOptions,
  { timeoutMs }: CheckDeps,
): Promise<{ esl: EslConnection } | { reason: string; hint: string }> {
  const remedy =
    'is FreeSWITCH running, is mod_event_socket loaded, and are `host` and `port` those of event_socket.conf?';
  return new Promise((resolve) => {
    AbortSignal.timeout(timeoutMs).addEventListener('abort', () =>
      resolve({ reason: `FreeSWITCH at ${options.host}:${options.port} does not answer`, hint: remedy }),
    );
    const { host, port, password } = options;
    const on = {
      onEvent: () => undefined,
      onData: () => undefined,
      onEnd: (reason: string, hint = remedy) => resolve({ reason, hint }),
    };
    void EslConnection.open({ host, port, password }, on).then((esl) => resolve({ esl }));
  });
}

function version(said: string): Finding {
  const what = 'FreeSWITCH version';
  const [whole = '', ...parts] = /(\d+)\.(\d+)\.(\d+)/.exec(said) ?? [];
  const least = LEAST_VERSION.join('.');
  if (whole === '') {
    return {
      level: 'warn',
      what,
      found: 'cannot be read',
      remedy: `${least} or newer is needed; see \`fs_cli -x version\``,
    };
  }
  const differs = LEAST_VERSION.findIndex((part, i) => Number(parts[i]) !== part);
  const isOld = differs >= 0 && Number(parts[differs]) < (LEAST_VERSION[differs] ?? 0);
  return isOld
    ? { level: 'fail', what, found: `${whole} is too old`, remedy: `upgrade to ${least} or newer` }
    : { level: 'ok', what, found: `${whole} (${least} or newer is needed)` };
}

async function* modules(esl: EslConnection): AsyncIterable<Finding> {
  let missing = 0;
  for (const [name, why] of MODULES) {
    if ((await esl.api(`module_exists ${name}`)).trim() !== 'false') continue;
    missing++;
    const remedy = `\`load ${name}\`, and name it in autoload_configs/modules.conf.xml`;
    yield { level: 'fail', what: 'modules', found: `${name} is not loaded; it is needed for ${why}`, remedy };
  }
  if (missing === 0) yield { level: 'ok', what: 'modules', found: `all ${MODULES.length} that are needed are loaded` };
}

function dialplan(context: string): Finding {
  const what = 'dialplan';
  if (/<context[^>]*name="pushwake"/.test(context)) return { level: 'ok', what, found: 'context pushwake is there' };
  return {
    level: 'warn',
    what,
    found: 'context pushwake cannot be seen',
    remedy: `${INCLUDE}; a dialplan that comes from a database or a script cannot be seen from here`,
  };
}

/** Accounts are found by their domain: phones of another one are registered, and never bound. */
async function* realmFindings(esl: EslConnection, options: FreeswitchOptions): AsyncIterable<Finding> {
  const what = 'realm';
  const realms = [options.realm].flat().filter((realm) => realm !== '*');
  const directory = await Promise.all(realms.map((realm) => esl.api(`xml_locate directory domain name ${realm}`)));
  const missing = realms.filter((_, i) => !/<domain[\s>]/.test(directory[i] ?? ''));
  const own = (await esl.api('global_getvar domain')).trim();
  const hint = /^[0-9A-Za-z.:-]{1,253}$/.test(own) && !realms.includes(own) ? `; its own \`domain\` is ${own}` : '';
  if (missing.length > 0) {
    const found = `FreeSWITCH’s directory knows no domain ${missing.join(', ')}${hint}`;
    const remedy =
      '`realm` is the domain of the accounts, as `list_users` shows it; a directory that comes from a web server cannot be seen from here';
    yield { level: 'warn', what, found, remedy };
  } else if (realms.length > 0) yield { level: 'ok', what, found: `${realms.join(', ')} is in FreeSWITCH’s directory` };
  const said = new Map<string, string>();
  // Phones that register with a profile that nobody named are the ones that are missed.
  const named = await Promise.all(options.profiles.map((p) => esl.api(`sofia xmlstatus profile ${p}`).then(ownName)));
  const others = runningProfiles(await esl.api('sofia xmlstatus')).filter((name) => !named.includes(name));
  for (const profile of new Set([...options.profiles, ...others])) {
    for (const row of readRegistrations(profile, await esl.api(`sofia xmlstatus profile ${profile} reg pn-`)) ?? []) {
      const why = whyNotBound(row, options);
      if (why) said.set(why.reason, why.remedy);
      if (said.size >= REASONS_SHOWN) break;
    }
  }
  for (const [reason, remedy] of said)
    yield { level: 'warn', what: 'registered phones', found: `one that asks for push is not bound: ${reason}`, remedy };
}

/** What is wrong with many phones has one reason, most often. */
const REASONS_SHOWN = 5;
