/** `pushwake app-test` as its user meets it: what it refuses before it calls anybody, what it asks, and how it is stopped. The service is a stand-in. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ask } from '../../plugin/commands/terminal.ts';
import { isWhole, readReport, reportOf, stoppedReport } from '../../plugin/core/app-test/index.ts';
import type { AppTestProgress } from '../../plugin/http/app-tests.ts';
import { inProcess } from '../admin/command.ts';

const ID = '0123456789abcdef';
const REPORT = reportOf({
  pushwake: '0.1.0',
  pbx: 'Asterisk 22.10.1',
  date: '2026-11-29',
  appName: 'Example Phone 2.1',
  subject: { platform: 'ios', kind: 'own', hasOther: true, reports: false },
  steps: [],
  stopped: undefined,
  secrets: [],
});
const STOPPED = stoppedReport(REPORT, 'it was stopped by hand');
const prompt = (kind: 'do' | 'ask', name: string, number: number) => ({ kind, name, number, text: `${name}?` });

let folder: string;
let service: Server;
/** What the service was asked, without the polls. */
let asked: string[];
/** What it answers to each poll; the last one is repeated. */
let shows: Omit<AppTestProgress, 'id'>[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-app-test-'));
  asked = [];
  shows = [{ state: 'over', report: REPORT }];
  service = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    if (request.method !== 'GET') asked.push(`${request.method} ${request.url} ${body}`.trim());
    const isStart = request.method === 'POST' && request.url === '/v1/app-tests';
    if (request.method === 'DELETE') shows = [{ state: 'over', report: STOPPED }];
    const shown = request.method === 'GET' && shows.length > 1 ? shows.shift() : shows[0];
    response
      .writeHead(isStart ? 201 : 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(isStart ? { id: ID } : { id: ID, ...shown }));
  });
  await new Promise<void>((done) => service.listen(0, '127.0.0.1', done));
  const { port } = service.address() as AddressInfo;
  const config = join(folder, 'pushwake.yaml');
  writeFileSync(
    config,
    `store: { type: sqlite, path: ${join(folder, 'bindings.db')} }
pbx: { office: { type: freeswitch, port: 1, password: x, realm: example.com } }
push: { log: {} }
http: { admin: { listen: "127.0.0.1:${port}", tokens: [{ name: cli, token: a-token-of-the-tests-0123456789, role: operate }] } }
`,
  );
  chmodSync(config, 0o600);
});
afterEach(() => {
  service.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => inProcess('app-test', ...args, '-c', join(folder, 'pushwake.yaml'));
const answers = (of: Record<string, string>): string[] => {
  const file = join(folder, 'answers.json');
  writeFileSync(file, JSON.stringify(of));
  return ['--answers', file];
};

describe('refuses before it calls anybody', () => {
  it.each([
    ['where nobody can answer', ['1001'], /use a terminal, --answers or --no-person/],
    ['a report that could not be kept', ['1001', '--no-person', '--output', '/nowhere/report.json'], /cannot write/],
    ['a step that is none', ['1001', '--no-person', '--steps', 'call,dance'], /"dance" is no step/],
    ['two accounts', ['1001', '1002', '--no-person'], /expected one account/],
  ])('%s', async (_, args, why) => {
    const ran = await run(...args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(why);
    expect(asked).toEqual([]);
  });
});

it('keeps the report in a file and prints a verdict for each rule', async () => {
  const file = join(folder, 'report.json');
  const ran = await run('1001', '--no-person', '--output', file);
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain('Example Phone 2.1 (ios, own), by pushwake 0.1.0 on Asterisk 22.10.1');
  expect(readReport(JSON.parse(readFileSync(file, 'utf8')))).toEqual(REPORT);
});

it('takes what a file of answers leaves out for what nobody looked at', async () => {
  const running = (number: number, kind: 'do' | 'ask', name: string) => ({
    state: 'running' as const,
    report: REPORT,
    prompt: prompt(kind, name, number),
  });
  shows = [
    running(1, 'do', 'ready'),
    running(2, 'ask', 'one-screen'),
    running(3, 'ask', 'silent-before'),
    running(4, 'do', 'offline'),
    { state: 'over', report: REPORT },
  ];
  await run('1001', ...answers({ 'one-screen': 'no' }));
  const bodies = asked.filter((line) => line.includes('/answer')).map((line) => line.slice(line.indexOf('{')));
  expect(bodies.map((text) => JSON.parse(text))).toEqual([
    { prompt: 1, answer: 'yes' },
    { prompt: 2, answer: 'no' },
    { prompt: 3, answer: 'unseen' },
    { prompt: 4, answer: 'no' },
  ]);
});

it.each(['SIGINT', 'SIGHUP'] as const)('ends the test at %s and keeps what was seen', async (signal) => {
  shows = [{ state: 'running', report: REPORT, step: 'call' }];
  const file = join(folder, 'report.json');
  service.on('request', ({ method }) => method === 'GET' && shows[0]?.state === 'running' && process.emit(signal));
  const ran = await run('1001', '--no-person', '--output', file);
  expect(asked.at(-1)).toBe(`DELETE /v1/app-tests/${ID}`);
  expect(ran.code).toBe(1);
  expect(ran.stdout).toContain('Not finished: it was stopped by hand.');
  expect(existsSync(file) && readReport(JSON.parse(readFileSync(file, 'utf8')))).toEqual(STOPPED);
});

it('says of a report whose end nobody saw why, and signs that', () => {
  const report = stoppedReport(REPORT, 'pushwake did not answer any more');
  expect(report.stopped).toBe('pushwake did not answer any more');
  expect(isWhole(report)).toBe(true);
  expect(report.signature).not.toBe(REPORT.signature);
});

describe('a question on a terminal', () => {
  const terminal = () => {
    const from = Object.assign(new PassThrough(), { isTTY: true });
    return { from, to: new PassThrough() };
  };

  it('is answered by a line', async () => {
    const { from, to } = terminal();
    const answer = ask('Ready? ', { from, to });
    from.write(' yes\r');
    expect(await answer).toBe('yes');
    expect(String(to.read())).toContain('Ready? ');
  });

  it('lets Ctrl-C end what it ends elsewhere', async () => {
    const raised = vi.spyOn(process, 'kill').mockReturnValue(true);
    try {
      const { from, to } = terminal();
      const answer = ask('Ready? ', { from, to });
      from.write('\u0003');
      expect(await answer).toBeUndefined();
      expect(raised.mock.calls).toEqual([[process.pid, 'SIGINT']]);
    } finally {
      raised.mockRestore();
    }
  });

  it('has no answer after Ctrl-D, when it is taken back, and where there is no terminal', async () => {
    const { from, to } = terminal();
    const closed = ask('Ready? ', { from, to });
    from.write('\u0004');
    expect(await closed).toBeUndefined();
    const back = new AbortController();
    const taken = ask('Ready? ', { ...terminal(), signal: back.signal });
    back.abort();
    expect(await taken).toBeUndefined();
    expect(await ask('Ready? ', { from: new PassThrough(), to })).toBeUndefined();
  });
});
