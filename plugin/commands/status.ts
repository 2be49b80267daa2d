import type { Command } from 'commander';
import { refuserOf, remedyOfTrouble } from '../core/push-remedies.ts';
import { STAGES, type Stage, stageOf } from '../core/stage.ts';
import type { Health } from '../http/health.ts';
import { StoreError } from '../ports/binding-store.ts';
import { askAdmin, refusal } from './admin-client.ts';
import { CommandError, EXIT } from './exit.ts';
import { nodesInLines, wrongNodes } from './node-words.ts';
import { type Loaded, load, openStore, withConfig } from './setup.ts';
import { paint, progress, say } from './terminal.ts';

export function addStatus(program: Command): void {
  withConfig(program.command('status'))
    .description('What the running pushwake is doing: links, nodes, push services, queues, bindings by stage.')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
Asks the admin listener: \`http: { admin: {} }\` in the configuration. Bindings are counted in the store.

Exit codes: 0 links are up and nothing is wrong · 1 something is wrong · 2 a mistake in the configuration ·
3 no running pushwake can be asked

Examples:
  $ pushwake status
  $ pushwake status --json | jq .links`,
    )
    .action(async (o: { config: string; json?: boolean }) => {
      const loaded = await load(o.config);
      const answer = await askAdmin(loaded.config.http.admin, { path: '/v1/status' });
      if ('unreachable' in answer) throw new CommandError(answer.unreachable, EXIT.cannotAsk);
      if (answer.status !== 200) throw new CommandError(refusal(answer), EXIT.cannotAsk);
      const health = answer.body as Health;
      const stages = await countStages(loaded);
      const wrong = whatIsWrong(health);
      if (wrong.length > 0) process.exitCode = EXIT.failed;
      if (o.json) return say(JSON.stringify({ ...health, bindings: stages, wrong }));
      for (const line of inLines(health, stages, wrong)) say(line);
    });
}

/** Undefined: the store cannot be read. */
async function countStages(loaded: Loaded): Promise<Readonly<Record<Stage, number>> | undefined> {
  const counts = Object.fromEntries(STAGES.map((stage) => [stage, 0])) as Record<Stage, number>;
  const bar = progress('accounts read:');
  try {
    const store = await openStore(loaded, 'read');
    try {
      for await (const { bindings } of store.scan()) {
        bar.step();
        for (const b of bindings) counts[stageOf(b)]++;
      }
    } finally {
      await store.close();
    }
    return counts;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  } finally {
    bar.end();
  }
}

export function whatIsWrong(health: Health): string[] {
  return [
    ...(health.ready ? [] : ['it has not finished starting']),
    ...Object.entries(health.links).flatMap(([pbx, up]) =>
      up ? [] : [`the link to ${pbx} is down: its calls ring without push; "pbx link down" in the log says why`],
    ),
    ...(health.storeTrouble === undefined ? [] : [`no notice is sent and nothing ends: ${health.storeTrouble}`]),
    ...wrongNodes(health),
    ...(health.heapTrouble === undefined
      ? []
      : [`${health.heapTrouble}: at the limit the process ends; give it more memory (docs/operations.md)`]),
    ...(health.alarms ?? []).map(
      (a) =>
        `${refuserOf(a.provider, a.reason, proxyOf(health, a.provider))} refuses app ${a.app} (${a.reason}): ${a.hint}`,
    ),
    ...(health.services ?? []).flatMap(({ provider, breaker, trouble, proxy }) => {
      if (breaker === 'closed' && trouble === undefined) return [];
      const what = breaker === 'closed' ? 'did not take its last push' : 'does not answer: pushes to it are held back';
      const through = proxy === undefined ? '' : ` through the proxy ${proxy}`;
      return [
        `${provider}${through} ${what}${trouble === undefined ? '' : ` (${trouble}): ${remedyOfTrouble(trouble)}`}`,
      ];
    }),
    ...(health.brakes ?? []).map(({ app, reason }) =>
      app === undefined
        ? `the brake is on, notices and endings are held back: ${reason}; pushwake brake release lets go`
        : `the brake holds the app ${app}, notices and endings of its devices are held back: ${reason}; look at its push key, then: pushwake brake release --app "${app}"`,
    ),
  ];
}

function proxyOf({ services }: Health, provider: string): string | undefined {
  return services.find((s) => s.provider === provider)?.proxy;
}

function inLines(
  health: Health,
  stages: Readonly<Record<Stage, number>> | undefined,
  wrong: readonly string[],
): string[] {
  const links = Object.entries(health.links).map(
    ([pbx, up]) => `  ${pbx.padEnd(16)} ${up ? paint('green', 'up') : paint('red', 'down')}${hepOf(health, pbx)}`,
  );
  const services = (health.services ?? []).map(
    (s) =>
      `  ${s.provider.padEnd(16)} ${s.queued} waiting, ${s.inFlight} under way${s.proxy === undefined ? '' : `, through the proxy ${s.proxy}`}${s.breaker === 'closed' ? '' : `, ${paint('red', 'held back')}`}`,
  );
  return [
    `pushwake ${health.version ?? ''}, mode ${health.mode ?? 'unknown'}${health.mode === 'observe' ? ': nothing is sent, rung or removed' : ''}`,
    ...(health.draining ? ['Draining: new calls go to the other node; it ends when its own are over'] : []),
    `Calls that wait for a phone: ${health.waiting}`,
    'PBX links',
    ...links,
    ...(health.nodes ? ['Nodes of this store'] : []),
    ...nodesInLines(health),
    'Push services',
    ...(services.length > 0 ? services : ['  none: no phone can be woken']),
    stages ? 'Bindings by stage' : 'Bindings: the store cannot be read',
    ...(stages ? STAGES.map((stage) => `  ${stage.padEnd(16)} ${stages[stage]}`) : []),
    ...(wrong.length > 0
      ? [paint('red', 'Wrong now'), ...wrong.map((w) => `  ${w}`)]
      : [paint('green', 'Nothing is wrong.')]),
  ];
}

function hepOf(health: Health, pbx: string): string {
  const hep = health.sensors?.[pbx]?.hep;
  return hep ? `, ${hep.registers ?? 0} REGISTERs seen by HEP` : '';
}
