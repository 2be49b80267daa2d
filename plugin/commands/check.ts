/** `pushwake check`: one look at the whole chain. Each adapter looks at its own surroundings; the rest is under `check/`. */
import type { Command } from 'commander';
import { systemClock } from '../../adapters/clock/system/index.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { isFromOutside } from '../app/outside.ts';
import { SECOND } from '../core/time.ts';
import type { Health } from '../http/health.ts';
import type { AdapterModule } from '../manifest.ts';
import type { BrowsersRegister, CheckDeps, Finding } from '../ports/finding.ts';
import { type AdminAnswer, askAdmin, NO_ADMIN } from './admin-client.ts';
import { checkBrowser } from './check/browser.ts';
import { checkListeners } from './check/listeners.ts';
import { checkProgram } from './check/program.ts';
import { checkRunning } from './check/running.ts';
import { EXIT } from './exit.ts';
import { type Loaded, load, withConfig } from './setup.ts';
import { paint, progress, say } from './terminal.ts';

export interface GroupedFinding extends Finding {
  /** The part of the configuration it is about: `pbx.office`, `store`, `pushwake`. */
  readonly group: string;
}

const QUESTION_TAKES_AT_MOST = 4 * SECOND;
const MARKS = { ok: ['green', 'ok  '], warn: ['yellow', 'warn'], fail: ['red', 'FAIL'] } as const;

export function addCheck(program: Command): void {
  withConfig(program.command('check'))
    .description('Proves the whole chain without ringing anybody: each line ok, warn or fail with what to do.')
    .option('--offline', 'do not try to reach the push services, nor where browsers reach the phone')
    .option('--quiet', 'only what is not ok')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
Works while pushwake runs (then it is asked what only it knows: HEP, links, alarms) and while it is stopped. It looks at
versions, modules, login and rights, dialplan, settings of the accounts, HEP, the store, clocks, keys and their end, the way
to the push services, ports, and what the phone in a browser meets (http.devices.phone). It changes nothing, and sends nothing but questions.

Exit codes: 0 nothing failed (there may be warnings) · 1 something failed · 2 a mistake in the configuration

Examples:
  $ pushwake check
  $ pushwake check --quiet
  $ pushwake check --json | jq -r '.findings[] | select(.level == "fail") | .found'`,
    )
    .action(async (o: { config: string; offline?: boolean; quiet?: boolean; json?: boolean }) => {
      const loaded = await load(o.config);
      const findings: GroupedFinding[] = [];
      const bar = progress('looked at:');
      let group = '';
      for await (const finding of checkAll(o.config, loaded, o.offline ?? false)) {
        findings.push(finding);
        bar.step();
        if (o.json || (o.quiet && finding.level === 'ok')) continue;
        bar.end();
        if (finding.group !== group) say(paint('bold', finding.group));
        group = finding.group;
        for (const line of inLines(finding)) say(line);
      }
      bar.end();
      const count = (level: Finding['level']) => findings.filter((f) => f.level === level).length;
      const counts = { ok: count('ok'), warn: count('warn'), fail: count('fail') };
      if (counts.fail > 0) process.exitCode = EXIT.failed;
      if (o.json) return say(JSON.stringify({ ok: counts.fail === 0, counts, findings }));
      say(`${counts.ok} ok, ${counts.warn} to look at, ${counts.fail} failed`);
    });
}

function inLines({ level, what, found, remedy }: Finding): string[] {
  const [colour, mark] = MARKS[level];
  return [
    `  ${paint(colour, mark)}  ${what}: ${found}`,
    ...(remedy === undefined ? [] : [`        What to do: ${remedy}`]),
  ];
}

export async function* checkAll(file: string, loaded: Loaded, offline: boolean): AsyncIterable<GroupedFinding> {
  const { config, found } = loaded;
  const answer = await askOnceUp(config.http.admin);
  const health = !('unreachable' in answer) && answer.status === 200 ? (answer.body as Health) : undefined;
  const running = !('unreachable' in answer);
  const deps = (name: string): CheckDeps => {
    const sensors = health?.sensors?.[name];
    return {
      clock: systemClock(),
      name,
      offline,
      timeoutMs: QUESTION_TAKES_AT_MOST,
      running,
      ...(sensors ? { sensors } : {}),
    };
  };
  const browsers = !config.http.devices?.phone ? {} : { browsers: browsersRegister(config) };
  yield* grouped('pushwake', checkProgram(file, config));
  yield* grouped('pushwake', checkRunning(answer, config.http.admin === undefined ? NO_ADMIN : undefined));
  yield* grouped('store', ofAdapter(found.store, config.store, deps(config.store.type)));
  for (const kind of ['pbx', 'push', 'events'] as const) {
    for (const [name, entry] of Object.entries(config[kind])) {
      yield* grouped(
        `${kind}.${name}`,
        ofAdapter<unknown>(found[kind], entry, { ...deps(name), ...(kind === 'pbx' && browsers), proxy: entry.proxy }),
      );
    }
  }
  if (Object.keys(config.push).length === 0) yield { group: 'push', ...NO_SERVICE };
  yield* grouped('http', checkListeners(config, running, systemClock().now()));
  yield* grouped('http.devices.phone', checkBrowser(config, { running, offline, now: systemClock().now() }));
}

const browsersRegister = ({ pbx }: LoadedConfig): BrowsersRegister =>
  Object.keys(pbx).length === 1 ? 'here' : 'here or elsewhere';

/** How long `check` waits for a link after a start before it reports it as down. */
const LINKS_COME_UP_WITHIN = 5 * SECOND;
const ASK_AGAIN_AFTER = 0.5 * SECOND;

/** What the running pushwake says, once it is ready and its links are up; or what it says in the end. */
async function askOnceUp(admin: LoadedConfig['http']['admin']): Promise<AdminAnswer> {
  const clock = systemClock();
  const untilMs = clock.monotonicMs() + LINKS_COME_UP_WITHIN;
  for (;;) {
    const answer = await askAdmin(admin, { path: '/v1/status' });
    if ('unreachable' in answer || answer.status !== 200) return answer;
    const { ready, links } = answer.body as Health;
    const isUp = ready && Object.values(links).every(Boolean);
    if (isUp || clock.monotonicMs() >= untilMs) return answer;
    await new Promise<void>((done) => void clock.after(ASK_AGAIN_AFTER, done));
  }
}

const NO_SERVICE: Finding = {
  level: 'fail',
  what: 'push services',
  found: 'there is none, so no phone can be woken',
  remedy: 'name one under `push`: apns, fcm, pnm, webpush, webhook',
};

/** An adapter of a third party may have no check; one that breaks must not hide what the others found. */
async function* ofAdapter<T>(
  modules: ReadonlyMap<string, AdapterModule<T>>,
  { type, options }: LoadedConfig['store'],
  deps: CheckDeps,
): AsyncIterable<Finding> {
  const check = modules.get(type)?.check;
  if (isFromOutside(type)) yield { level: 'ok', what: type, found: 'an adapter from outside' };
  if (!check) return yield { level: 'ok', what: type, found: 'brings no check of its own' };
  try {
    yield* check(options, deps);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const remedy = 'if what is above is in order, report this as a mistake of pushwake';
    yield { level: 'fail', what: type, found: `the check broke off (${reason})`, remedy };
  }
}

async function* grouped(
  group: string,
  findings: AsyncIterable<Finding> | Iterable<Finding>,
): AsyncIterable<GroupedFinding> {
  for await (const finding of findings) yield { group, ...finding };
}
