/**
 * What monitoring is given: alert rules that fire and do not, a dashboard and rules that name only metrics there are, /metrics as
 * Prometheus wants it, and a page that lists them all.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../support/asterisk/shell.ts';
import { bringPromtool } from '../support/prometheus/bring.ts';
import { StatusSite } from '../support/status-site.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const read = (name: string) => readFileSync(path(name), 'utf8');

let promtool: string;
let site: StatusSite;
let metrics: string;

beforeAll(async () => {
  promtool = await bringPromtool();
  site = await StatusSite.start({ trouble: true });
  metrics = await (await fetch(`${site.url}/metrics`)).text();
}, 300_000);
afterAll(() => site?.stop());

/** Names of our metrics in a text; what a histogram adds to its name is left out. */
const named = (text: string): string[] =>
  [...new Set([...text.matchAll(/\b((?:pushwake|nodejs|process)_[a-z0-9_]+)\b/g)].map((m) => m[1] as string))]
    .map((name) => name.replace(/_(bucket|count|sum)$/, ''))
    .filter((name, i, all) => all.indexOf(name) === i);

/** Name and kind of each metric that is served. */
const served = () =>
  new Map([...metrics.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((m) => [m[1] as string, m[2] as string]));
const help = () => new Map([...metrics.matchAll(/^# HELP (\S+) (.*)$/gm)].map((m) => [m[1] as string, m[2] as string]));

/** Label names of a metric, as its first sample has them. */
const labels = (name: string): string => {
  const sample = new RegExp(`^${name}(?:_bucket)?(?:\\{(.*)\\})? `, 'm').exec(metrics);
  expect(sample, `${name}: a sample`).not.toBeNull();
  const found = [...(sample?.[1] ?? '').matchAll(/(\w+)="/g)].map((m) => m[1] as string).filter((l) => l !== 'le');
  return found.map((l) => `\`${l}\``).join(', ');
};

const rules = 'config/prometheus/pushwake.rules.yml';

describe('alert rules', () => {
  it('are right, and fire when they should and only then', async () => {
    expect(await run(promtool, ['check', 'rules', path(rules)])).toContain('SUCCESS');
    expect(await run(promtool, ['test', 'rules', path('config/prometheus/pushwake.rules.test.yml')])).toContain(
      'SUCCESS',
    );
  });

  it('each has a test in which it fires', () => {
    const tests = read('config/prometheus/pushwake.rules.test.yml');
    const alerts = [...read(rules).matchAll(/- alert: (\w+)/g)].map((m) => m[1] as string);
    expect(alerts.length).toBeGreaterThan(15);
    const fired = alerts.filter((a) => new RegExp(`alertname: ${a}\\n\\s+exp_alerts:\\n\\s+- exp_labels`).test(tests));
    expect(fired).toEqual(alerts);
  });

  it('name only metrics there are', () => {
    // Comments and texts for people name files and services as well.
    const expressions = read(rules).replace(/^\s*#.*$/gm, '');
    expect(named(expressions).filter((name) => !served().has(name))).toEqual([]);
  });
});

describe('the dashboard', () => {
  const dashboard = JSON.parse(read('config/grafana/pushwake.json')) as {
    panels: { title: string; type: string; targets?: { expr: string }[]; gridPos: Record<string, number> }[];
  };

  it('names only metrics there are, in expressions Prometheus can read', async () => {
    const expressions = dashboard.panels.flatMap((p) => p.targets ?? []).map((t) => t.expr);
    expect(expressions.length).toBeGreaterThan(10);
    for (const expression of expressions) {
      expect(
        named(expression).filter((name) => !served().has(name)),
        expression,
      ).toEqual([]);
    }
    // promtool reads files of rules, and no bare expression.
    const inRules = expressions.map((e, i) => ({
      record: `x${i}`,
      expr: e.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }));
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-dashboard-'));
    const file = join(folder, 'rules.yml');
    writeFileSync(file, JSON.stringify({ groups: inRules.map((rule, i) => ({ name: `g${i}`, rules: [rule] })) }));
    try {
      expect(await run(promtool, ['check', 'rules', file])).toContain(`SUCCESS: ${expressions.length} rules`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('shows every kind of thing that can go wrong', () => {
    const all = JSON.stringify(dashboard);
    for (const name of [
      'pbx_link_up',
      'push_misconfigurations',
      'store_up',
      'brake_on',
      'credential_end',
      'calls_total',
    ])
      expect(all, name).toContain(name);
  });
});

describe('/metrics of a running pushwake', () => {
  it('is as promtool wants it', async () => {
    expect(await piped(['check', 'metrics'], metrics)).toBe('');
  });

  it('would be told of a name that is not (control)', async () => {
    const bad = '# HELP x_total x\n# TYPE x_total gauge\nx_total 1\n';
    expect(await piped(['check', 'metrics'], bad)).toContain('x_total');
  });

  it('is what docs/metrics.md lists, each with its kind, labels and meaning', () => {
    const own = [...served()].filter(([name]) => name.startsWith('pushwake_')).sort();
    const lines = own.map(([name, kind]) => `| \`${name}\` | ${kind} | ${labels(name)} | ${help().get(name)} |`);
    const page = read('docs/metrics.md');
    expect(page.split('\n').filter((line) => line.startsWith('| `pushwake_'))).toEqual(lines);
  });
});

/** What promtool says to what it is given on its standard input. */
function piped(args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(promtool, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.once('error', reject);
    child.once('close', () => resolve(output));
    child.stdin.end(input);
  });
}
