import type { Command } from 'commander';
import { random, systemClock } from '../../adapters/clock/system/index.ts';
import type { Aor } from '../core/aor.ts';
import { SECOND } from '../core/time.ts';
import { createDelivery } from '../runtime/push/delivery.ts';
import { type PushTest, type TestPurpose, testPush } from '../runtime/push/push-test.ts';
import { askAdmin, refusal } from './admin-client.ts';
import { CommandError, EXIT } from './exit.ts';
import { verdictOf } from './push-words.ts';
import { depsFor, type Loaded, load, openStore, wholeAor, withConfig } from './setup.ts';
import { paint, say } from './terminal.ts';

/** As long as a push may take to be answered, and a little more. */
const ANSWER_WITHIN_MS = 40 * SECOND;
const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

export function addPushTest(program: Command): void {
  withConfig(program.command('push-test'))
    .description('Sends one harmless push to each device of an account and prints what its push service answers.')
    .argument('<aor>', 'the account: 1001@example.com, or 1001 where there is one realm')
    .option('--notice', 'a visible notice that says it is a test, instead of a silent refresh')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
No phone rings. A refresh asks the app to register; nobody sees it. It is sent in mode observe as well. No binding changes,
whatever the service says. By the running pushwake where it may be asked (a token of role "operate"), else directly.

Exit codes: 0 every service took it · 1 one did not, or there is no device · 2 a mistake in the configuration

Examples:
  $ pushwake push-test 1001
  $ pushwake push-test 1001 --notice`,
    )
    .action(async (text: string, o: { config: string; notice?: boolean; json?: boolean }) => {
      const loaded = await load(o.config);
      const aor = wholeAor(loaded.config, text);
      const { tests, by } = await run(loaded, aor, o.notice ? 'notice' : 'refresh');
      const verdicts = tests.map((test) => ({ ...test, ...verdictOf(test.outcome, test.provider) }));
      if (verdicts.some((v) => v.level === 'fail') || verdicts.every((v) => v.level !== 'ok')) {
        process.exitCode = EXIT.failed;
      }
      if (o.json) return say(JSON.stringify({ aor, by, tests: verdicts }));
      for (const { level, bindingId, app, token, words, remedy } of verdicts) {
        const device = `${bindingId.slice(0, 8)}${app === undefined ? '' : ` (${app}, token ${token})`}`;
        say(`${paint(COLOURS[level], level.padEnd(4))}  Device ${device}: ${words}.`);
        if (remedy !== undefined) say(`      What to do: ${remedy}`);
      }
    });
}

async function run(
  loaded: Loaded,
  aor: Aor,
  purpose: TestPurpose,
): Promise<{ tests: readonly PushTest[]; by: 'running' | 'directly' }> {
  const { admin } = loaded.config.http;
  const answer = await askAdmin(admin, {
    method: 'POST',
    path: '/v1/push-test',
    body: { aor, purpose },
    role: 'operate',
    timeoutMs: ANSWER_WITHIN_MS,
  });
  // One that runs and may not be asked is no hindrance: its store can be read beside it.
  const mayNot = 'unreachable' in answer || answer.status === 401 || answer.status === 403;
  if (!mayNot) {
    if (answer.status === 200) return { tests: (answer.body as { tests: PushTest[] }).tests, by: 'running' };
    throw new CommandError(answer.status === 404 ? nothing(aor) : refusal(answer), EXIT.failed);
  }
  return { tests: await directly(loaded, aor, purpose), by: 'directly' };
}

async function directly(loaded: Loaded, aor: Aor, purpose: TestPurpose): Promise<readonly PushTest[]> {
  const { config, found } = loaded;
  const clock = systemClock();
  const { log } = depsFor('push-test');
  const store = await openStore(loaded, 'read');
  try {
    const providers = Object.entries(config.push).flatMap(
      ([name, { type, options, proxy }]) => found.push.get(type)?.create(options, depsFor(name, proxy)) ?? [],
    );
    const delivery = createDelivery({ providers, clock, log, random });
    try {
      const tests = await testPush(delivery, await store.get(aor), aor, purpose, clock.now());
      if (tests.length === 0) throw new CommandError(nothing(aor), EXIT.failed);
      return tests;
    } finally {
      await delivery.close();
    }
  } finally {
    await store.close();
  }
}

const nothing = (aor: Aor): string =>
  `no device of ${aor} can be pushed; its app must register with push parameters first (pushwake bindings show ${aor})`;
