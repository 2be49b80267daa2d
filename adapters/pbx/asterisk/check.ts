/** Examines one Asterisk for `pushwake check`: each step of docs/getting-started-asterisk.md that ARI can show. */
import { instant } from '../../../plugin/core/time.ts';
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import { clockFinding, reasonOf } from '../../shared/findings.ts';
import { isAclRefusal } from './acl-refusal.ts';
import { checkAccounts, readAccounts } from './check-accounts.ts';
import { checkDialplan } from './check-dialplan.ts';
import { checkHep } from './check-hep.ts';
import { checkHints } from './check-hints.ts';
import { checkWebrtc } from './check-webrtc.ts';
import { checkDialIn } from './dial-in/check.ts';
import type { AsteriskOptions, ReachedOptions } from './options.ts';
import { AriProbe, type ProbeChannel } from './probe.ts';

const LEAST_VERSION = 16;
const TRIED_VERSION = 22;

/** The modules that the program and its dialplan need, and what each is needed for. */
const MODULES: readonly (readonly [name: string, why: string])[] = [
  ['res_ari', 'ARI'],
  ['res_ari_events', 'the events of ARI'],
  ['res_ari_channels', 'waiting legs'],
  ['res_ari_asterisk', 'contacts'],
  ['res_ari_applications', 'subscriptions'],
  ['res_ari_endpoints', 'the list of accounts'],
  ['res_ari_device_states', 'BLF and queues'],
  ['res_stasis', 'ARI'],
  ['res_stasis_device_state', 'BLF and queues'],
  ['app_stasis', 'the dialplan'],
  ['res_pjsip', 'PJSIP'],
  ['chan_pjsip', 'PJSIP'],
  ['res_pjsip_registrar', 'REGISTER'],
  ['res_pjsip_header_funcs', 'the call id in the INVITE'],
  ['pbx_config', 'the dialplan'],
  ['app_dial', 'the dialplan'],
  ['app_exec', 'the dialplan'],
  ['app_stack', 'the dialplan'],
  ['func_cdr', 'the dialplan'],
  ['func_channel', 'the dialplan'],
  ['func_timeout', 'the guard of the dialplan'],
  ['func_strings', 'the dialplan'],
  ['app_directed_pickup', 'the dialplan: without it a call keeps six channels'],
  ['func_logic', 'the dialplan'],
  ['func_cut', 'the dialplan'],
  ['func_module', 'the dialplan'],
  ['func_pjsip_endpoint', 'the AORs of an endpoint'],
  ['func_pjsip_aor', 'the fallback of the dialplan'],
  ['func_pjsip_contact', 'the fallback of the dialplan'],
];

export async function* check(options: AsteriskOptions, deps: CheckDeps): AsyncIterable<Finding> {
  const { url, dialsIn } = options;
  if (dialsIn) yield* checkDialIn(options, dialsIn, deps);
  else if (url !== undefined) yield* checkReached({ ...options, url }, deps);
}

async function* checkReached(options: ReachedOptions, deps: CheckDeps): AsyncIterable<Finding> {
  const ari = new AriProbe(options, deps.timeoutMs);
  const login = await checkLogin(ari, options);
  yield* login.findings;
  if (!login.in) return;
  yield* checkVersion((await ari.ask('GET', 'asterisk/info')).body);
  yield await checkClock(ari, deps);
  const rights = (await ari.ask('DELETE', 'channels/pushwake-check')).status;
  yield rights === 403
    ? {
        level: 'fail',
        what: 'ARI rights',
        found: `user ${options.username} may only read`,
        remedy: 'set read_only = no in its section of ari.conf (pushwake-ari.conf), then `module reload res_ari.so`',
      }
    : { level: 'ok', what: 'ARI rights', found: `user ${options.username} may let legs go on and remove contacts` };
  yield* checkModules(ari);
  yield* checkApplication(ari, options, deps);
  // A user that may only read cannot have a channel.
  const seen =
    rights === 403
      ? undefined
      : await ari.withChannel(async (channel) => [
          ...(await checkDialplan(channel, options)),
          ...(await checkOverload(ari, channel)),
          ...(await checkHep(channel, options.hep, deps)),
          ...(await checkHints(ari, channel)),
        ]);
  if (seen) yield* seen;
  else {
    yield {
      level: 'warn',
      what: 'dialplan',
      found: 'its contexts cannot be seen from here',
      remedy: 'once the findings above are mended, check again; or run `asterisk -rx "dialplan show pushwake"`',
    };
    yield* await checkOverload(ari, undefined);
    yield* await checkHep(undefined, options.hep, deps);
  }
  const accounts = await readAccounts(ari);
  yield* checkAccounts(accounts);
  if (deps.browsers && accounts) yield* checkWebrtc(ari, accounts, deps.browsers);
}

// ── ARI ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function checkLogin(
  ari: AriProbe,
  { url, username }: ReachedOptions,
): Promise<{ in: boolean; findings: Finding[] }> {
  const what = 'ARI login';
  const fail = (found: string, remedy: string) => ({
    in: false,
    findings: [{ level: 'fail' as const, what, found, remedy }],
  });
  try {
    const { status, body } = await ari.ask('GET', 'asterisk/ping');
    if (isAclRefusal(status, body)) {
      return fail(
        `the ACL of user ${username} at ${url} does not let this machine in (403)`,
        `add permit = <this machine’s address> to the section of ${username} in ari.conf (pushwake-ari.conf), or take its deny, permit and acl lines out; then \`module reload res_ari.so\``,
      );
    }
    if (status === 200) return { in: true, findings: [{ level: 'ok', what, found: `user ${username} at ${url}` }] };
    if (status === 401 || status === 403) {
      return fail(
        `Asterisk at ${url} refuses user ${username} (${status})`,
        '`username` and `password` must be those of a section with type = user in ari.conf (pushwake-ari.conf, included at its end); `module reload res_ari.so` after a change',
      );
    }
    if (status === 404 || status === 503) {
      return fail(
        `there is an HTTP server at ${url}, but no ARI (${status})`,
        'set enabled = yes in [general] of ari.conf, then `module reload res_ari.so`; is res_ari.so loaded?',
      );
    }
    return fail(`${url} answers ${status}`, '`url` must be that of Asterisk’s own HTTP server, without /ari');
  } catch (error) {
    return fail(
      `nothing answers at ${url} (${reasonOf(error)})`,
      'is Asterisk running, and has http.conf enabled = yes and the bindaddr and bindport of `url`? `module reload http` after a change',
    );
  }
}

function* checkVersion(info: unknown): Iterable<Finding> {
  const version = (info as { system?: { version?: string } } | undefined)?.system?.version ?? '';
  const major = Number(/^(?:certified[/-])?(\d+)/.exec(version)?.[1]);
  const what = 'Asterisk version';
  if (!Number.isInteger(major)) {
    const remedy = `pushwake needs ${LEAST_VERSION} or newer; see \`core show version\``;
    yield { level: 'warn', what, found: `"${version.slice(0, 40)}" cannot be read`, remedy };
  } else if (major < LEAST_VERSION) {
    yield { level: 'fail', what, found: `${version} is too old`, remedy: `upgrade to ${LEAST_VERSION} or newer` };
  } else
    yield {
      level: 'ok',
      what,
      found: `${version} (tried daily on ${TRIED_VERSION}, ${LEAST_VERSION} or newer is needed)`,
    };
}

async function checkClock(ari: AriProbe, { clock }: CheckDeps): Promise<Finding> {
  const what = 'clocks';
  const before = clock.now();
  const { body } = await ari.ask('GET', 'asterisk/ping');
  const after = clock.now();
  const stamp = Date.parse(String((body as { timestamp?: unknown } | undefined)?.timestamp));
  if (Number.isNaN(stamp)) {
    const remedy = 'compare `date` on both machines';
    return { level: 'warn', what, found: 'Asterisk does not answer with its time', remedy };
  }
  return clockFinding('Asterisk', instant(stamp), before, after);
}

async function* checkModules(ari: AriProbe): AsyncIterable<Finding> {
  const { status, body } = await ari.ask('GET', 'asterisk/modules');
  if (status !== 200 || !Array.isArray(body)) {
    yield { level: 'warn', what: 'modules', found: 'cannot be listed', remedy: 'run `asterisk -rx "module show"`' };
    return;
  }
  const running = new Set(
    (body as { name: string; status: string }[]).filter((m) => m.status === 'Running').map((m) => m.name),
  );
  const missing = MODULES.filter(([name]) => !running.has(`${name}.so`));
  for (const [name, why] of missing) {
    const remedy = `\`module load ${name}.so\`; see modules.conf, where a noload may keep it away`;
    yield { level: 'fail', what: 'modules', found: `${name}.so is not running; it is needed for ${why}`, remedy };
  }
  if (missing.length === 0)
    yield { level: 'ok', what: 'modules', found: `all ${MODULES.length} that are needed are running` };
}

async function* checkApplication(ari: AriProbe, { app }: AsteriskOptions, deps: CheckDeps): AsyncIterable<Finding> {
  const { status, body } = await ari.ask('GET', 'applications');
  if (status !== 200 || !Array.isArray(body)) return;
  const isThere = (body as { name: string }[]).some((a) => a.name === app);
  const what = 'Stasis application';
  if (deps.running && isThere) yield { level: 'ok', what, found: `pushwake is connected as ${app}` };
  else if (deps.running) {
    const remedy = 'look for "pbx link down" in pushwake’s log: `reason` and `hint` say why';
    yield { level: 'fail', what, found: `pushwake runs, but is not connected as ${app}`, remedy };
  } else if (isThere) {
    const remedy =
      'is it pushwake itself? Give it `http: { admin: {} }`, so that it can be asked. Else stop the other program, or give one of the two another `app`, and the dialplan with it';
    yield { level: 'warn', what, found: `somebody else is connected as ${app}`, remedy };
  }
}

// ── Settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Asterisk counts the queue of ARI's events as a reason for PJSIP to refuse requests, unless it is configured otherwise. */
async function checkOverload(ari: AriProbe, channel: ProbeChannel | undefined): Promise<Finding[]> {
  const key = 'taskprocessor_overload_trigger';
  const loaded = (await ari.pjsip('global', 'global'))?.get(key);
  const value = loaded ?? (await channel?.read(`AST_CONFIG(pjsip.conf,global,${key})`));
  // A [global] of another name cannot be found by ARI: then nothing is known, which is not the same as wrong.
  if (value === 'pjsip_only' || value === 'none') return [{ level: 'ok', what: key, found: `is ${value}` }];
  return [
    {
      level: 'warn',
      what: key,
      found: value
        ? `is ${value}: a burst of calls makes PJSIP answer 503`
        : 'cannot be seen, and its default is global',
      remedy: `set ${key}=pjsip_only in the [global] section of pjsip.conf (type=global), then \`module reload res_pjsip.so\``,
    },
  ];
}
