/** Whether the dialplan that this Asterisk has loaded is the one that pushwake came with, and asks for this pushwake. */
import type { Finding } from '../../../plugin/ports/finding.ts';
import { COPY_ANEW, CRASHES_UNTIL, DIALPLAN_VERSION } from './dialplan-version.ts';
import { NODE_APP } from './node-orders.ts';
import { type AsteriskOptions, FIRST_APP } from './options.ts';
import type { ProbeChannel } from './probe.ts';

/** What every version of the file has had: without one of these, calls are lost or nobody is woken. */
const NEEDED: readonly (readonly [context: string, extension: string])[] = [
  ['pushwake', '1001'],
  ['pushwake-device', 'w1'],
  ['pushwake-stored', 'w1'],
  ['pushwake-ring', 'w1'],
  ['pushwake-late', 'w1'],
  ['pushwake-header', 's'],
];

/** What the file has as it is now. */
const CONTEXTS: readonly (readonly [context: string, extension: string])[] = [
  ...NEEDED,
  ['pushwake-dial', '1001'],
  ['pushwake-visit', 's'],
  ['pushwake-nodes', 'ask'],
  ['pushwake-claimed', 'pushwake'],
  ['pushwake-go', 'g0'],
  ['pushwake-wake', 's'],
  ['pushwake-aors', 's'],
  ['pushwake-aor', '1001'],
  ['pushwake-legs', 'wake'],
  ['pushwake-answered', 's'],
  ['pushwake-front', 's'],
  ['pushwake-own', 's'],
  ['pushwake-fallback', 's'],
  ['pushwake-predial', 's'],
  ['pushwake-before', 's'],
];

const INCLUDE =
  'copy config/asterisk/pushwake-extensions.conf to /etc/asterisk, write #include "pushwake-extensions.conf" at the end of extensions.conf, then `dialplan reload`';

const ASKS_ALL = 'of several nodes it asks all at once';
const ASKS_TWO = 'of several nodes it can ask two (this Asterisk has no StasisBroadcast)';
const NO_BROADCAST =
  '`module load app_stasis_broadcast.so`, which Asterisk has since 20.20, 22.10 and 23.4; otherwise there can be two nodes, pushwake and pushwake-b, with the lines ";2;" of pushwake-extensions.conf (docs/scaling.md)';

/** How many lines of a context are read to find the application's name; with two nodes it stands there twice. */
const LINES_READ: readonly (readonly [kind: 'exten' | 'same', count: number])[] = [
  ['exten', 2],
  ['same', 24],
];

const what = 'dialplan';

export async function checkDialplan(channel: ProbeChannel, { app }: AsteriskOptions): Promise<Finding[]> {
  const version = `v${DIALPLAN_VERSION}`;
  const asked = [...CONTEXTS, ['pushwake-version', version] as const];
  const answers = await Promise.all(
    asked.map(([context, extension]) => channel.read(`DIALPLAN_EXISTS(${context},${extension},1)`)),
  );
  if (answers.every((a) => a === undefined)) {
    const remedy = '`module load func_dialplan.so` and check again, or run `asterisk -rx "dialplan show pushwake"`';
    return [{ level: 'warn', what, found: 'its contexts cannot be seen without func_dialplan.so', remedy }];
  }
  const isCurrent = answers.at(-1) === '1';
  const missing = CONTEXTS.filter((_, i) => answers[i] !== '1');
  // An old copy as a whole works as it always did; a part of one does not.
  const lacks = isCurrent ? missing : missing.filter((entry) => NEEDED.includes(entry));
  if (lacks.length > 0) {
    const found = `context ${lacks.map(([context]) => context).join(', ')} is missing`;
    return [{ level: 'fail', what, found, remedy: INCLUDE }];
  }
  const asksFor = await applicationsAsked(channel, isCurrent ? ['pushwake', 'pushwake-visit'] : ['pushwake']);
  const wrong = asksFor.find((named) => named.length > 0 && !named.includes(app));
  const asksAll = isCurrent && (await channel.read('IFMODULE(app_stasis_broadcast.so)')) === '1';
  if (wrong && isCurrent && NODE_APP.test(app) && !asksAll) {
    const found = `it asks the Stasis application ${wrong.join(', ')}, and pushwake’s is ${app}; this Asterisk cannot ask all nodes at once`;
    return [{ level: 'fail', what, found, remedy: NO_BROADCAST }];
  }
  // The first node alone announces nothing, so that the dialplan must ask for it by name.
  if (wrong && !(asksAll && NODE_APP.test(app) && app !== FIRST_APP)) {
    const remedy = 'make `app` of pushwake.yaml and PUSHWAKE_APP of pushwake-extensions.conf the same';
    const found = `it asks the Stasis application ${wrong.join(', ')}, and pushwake’s is ${app}`;
    return [{ level: 'fail', what, found, remedy }];
  }
  if (isCurrent)
    return [
      {
        level: 'ok',
        what,
        found: `all ${CONTEXTS.length} contexts are loaded, version ${version}; ${asksAll ? ASKS_ALL : ASKS_TWO}`,
      },
    ];
  const theirs = /^v(\d{1,6})/.exec((await channel.read('AST_CONFIG(extensions.conf,pushwake-version,exten)')) ?? '');
  if (theirs && Number(theirs[1]) <= CRASHES_UNTIL) {
    const found = `pushwake-extensions.conf is ${theirs[0]}, with which Asterisk can crash, and this pushwake came with ${version}`;
    return [{ level: 'fail', what, found, remedy: COPY_ANEW }];
  }
  const found = theirs
    ? `pushwake-extensions.conf is ${theirs[0]}, and this pushwake came with ${version}`
    : `pushwake-extensions.conf is an old copy: this pushwake came with ${version}. Calls go on as they did with it`;
  return [{ level: 'warn', what, found, remedy: COPY_ANEW }];
}

/** For each of these contexts the names of the Stasis applications that it asks. */
function applicationsAsked(channel: ProbeChannel, contexts: readonly string[]): Promise<string[][]> {
  return Promise.all(
    contexts.map(async (context) => {
      const lines = await Promise.all(
        LINES_READ.flatMap(([kind, count]) =>
          Array.from({ length: count }, (_, i) => channel.read(`AST_CONFIG(extensions.conf,${context},${kind},${i})`)),
        ),
      );
      return [...new Set(lines.flatMap((line) => /PUSHWAKE_APP=([A-Za-z0-9_-]+)/.exec(line ?? '')?.[1] ?? []))];
    }),
  );
}
