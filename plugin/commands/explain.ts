import type { Command } from 'commander';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { parseAor } from '../core/aor.ts';
import { type Explanation, explainDevices, troubledIn } from '../core/explain.ts';
import type { Health } from '../http/health.ts';
import { askAdmin, refusal } from './admin-client.ts';
import { type Loaded, load, openStore, wholeAor, withConfig } from './setup.ts';
import { whatIsWrong } from './status.ts';
import { say, tell } from './terminal.ts';

interface Explained {
  readonly calls: readonly Explanation[];
  readonly texts: readonly string[];
  readonly devices: readonly string[];
}

const NOTHING: Explained = { calls: [], texts: [], devices: [] };
const CALL_ID = /^[0-9a-f-]{36}$/;

export function addExplain(program: Command): void {
  withConfig(program.command('explain'))
    .description(
      'Why a phone rang or did not, and what became of texts: sentences, likely cause, remedy, and how well each device wakes.',
    )
    .argument(
      '[of]',
      'an account (1001 or 1001@example.com) or a call id; without it: devices that do not come as they should',
    )
    .option('--json', 'one JSON object, with the trace of each call')
    .addHelpText(
      'after',
      `
Calls and texts are known to the running pushwake only; without it, or without http.admin, what is stored is told.

Examples:
  $ pushwake explain 1001
  $ pushwake explain 2bee7a42-6ce5-81f4-a62d-ca83c7c1aa04
  $ pushwake explain`,
    )
    .action(async (of: string | undefined, o: { config: string; json?: boolean }) => {
      const loaded = await load(o.config);
      const key = of === undefined || CALL_ID.test(of) ? of : wholeAor(loaded.config, of);
      const answer = await askRunning(loaded, key);
      const explained = 'reason' in answer ? await fromStore(loaded, key) : answer;
      if (o.json) return say(JSON.stringify(explained));
      if ('reason' in answer) tell(`Calls and texts are not known: ${answer.reason}. From the stored bindings:`);
      for (const line of inLines(explained, key)) say(line);
      if (!('reason' in answer)) for (const line of await now(loaded)) say(line);
    });
}

/** What touches calls of every account at this moment, and no trace of a call has. */
async function now({ config }: Loaded): Promise<readonly string[]> {
  const answer = await askAdmin(config.http.admin, { path: '/v1/status' });
  if ('unreachable' in answer || answer.status !== 200) return [];
  const health = answer.body as Health;
  const lines = [
    ...(health.mode === 'observe' ? ['the mode is observe: no phone is pushed, and calls go as without pushwake'] : []),
    ...whatIsWrong(health),
  ];
  return lines.length === 0 ? [] : ['', 'For every account, now:', ...lines.map((line) => `  ${line}`)];
}

/** `reason`: why it could not be asked. */
async function askRunning({ config }: Loaded, of: string | undefined): Promise<Explained | { reason: string }> {
  const path = of === undefined ? '/v1/seldom-woken' : `/v1/explain?of=${encodeURIComponent(of)}`;
  const answer = await askAdmin(config.http.admin, { path });
  if ('unreachable' in answer) return { reason: answer.unreachable };
  if (answer.status === 404) return NOTHING;
  if (answer.status !== 200) return { reason: refusal(answer) };
  return { ...NOTHING, ...(answer.body as Partial<Explained>) };
}

async function fromStore(loaded: Loaded, of: string | undefined): Promise<Explained> {
  const store = await openStore(loaded, 'read');
  try {
    const devices: string[] = [];
    const aor = of === undefined ? undefined : parseAor(of);
    if (of !== undefined) devices.push(...explainDevices(aor && (await store.get(aor)), systemClock().now()));
    else for await (const record of store.scan()) devices.push(...troubledIn(record.aor, record.bindings));
    return { ...NOTHING, devices };
  } finally {
    await store.close();
  }
}

function inLines({ calls, texts, devices }: Explained, of: string | undefined): string[] {
  const lines = calls.flatMap((call) => [
    ...call.sentences,
    ...(call.cause === undefined ? [] : [`  Likely cause: ${call.cause}`]),
    ...(call.remedy === undefined ? [] : [`  What to do: ${call.remedy}`]),
    '',
  ]);
  const all = [...lines, ...texts, ...(texts.length > 0 ? [''] : []), ...devices];
  if (all.length > 0) return all;
  if (of === undefined) return ['No device is known to come late or not at all.'];
  return [
    'Nothing is known: no binding, no call, no text.',
    'Calls are known since the start of pushwake, if their dialplan goes through it; a binding is made by a REGISTER with push parameters. `pushwake check` looks at both.',
  ];
}
