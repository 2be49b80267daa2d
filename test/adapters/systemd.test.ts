import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SystemdOptions, systemd } from '../../adapters/supervisor/systemd/index.ts';
import { serviceManager } from '../../config/load.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

let folder: string;
let clock: FakeClock;
let log: RecordedLog;
let status: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-systemd-'));
  clock = new FakeClock();
  log = new RecordedLog();
  status = '2 links up';
  // In its place: writes down what it was told, a line each.
  writeFileSync(join(folder, 'notify'), `#!/bin/sh\necho "$*" >> "${folder}/said"\n`);
  chmodSync(join(folder, 'notify'), 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The shell makes the file before it writes the line. */
const said = () =>
  existsSync(join(folder, 'said')) ? readFileSync(join(folder, 'said'), 'utf8').split('\n').filter(Boolean) : [];
const service = (o: Partial<SystemdOptions> = {}) =>
  systemd({ listens: true, watchdogMs: 30_000, program: join(folder, 'notify'), ...o }, () => status, clock, log);

describe('systemd hears', () => {
  it('that the service is ready, and signs of life three times within the time it waits', async () => {
    service().ready();
    await expect.poll(said).toEqual(expect.arrayContaining(['--ready --status=2 links up', 'WATCHDOG=1']));
    for (let n = 2; n <= 4; n++) {
      await clock.advance(10_000);
      await expect.poll(() => said().filter((line) => line === 'WATCHDOG=1').length).toBe(n);
    }
  });

  it('reload and stop; ready again after a reload begins no second series of signs', async () => {
    const told = service();
    told.ready();
    told.reloading();
    told.ready();
    await expect.poll(() => said().length).toBe(4);
    await clock.advance(10_000);
    await expect.poll(() => said().filter((line) => line === 'WATCHDOG=1').length).toBe(2);
    told.stopping();
    await clock.advance(60_000);
    await expect.poll(said).toContain('STOPPING=1');
    expect(said().filter((line) => line === 'WATCHDOG=1')).toHaveLength(2);
  });

  it('another status within five seconds, and the same one only once', async () => {
    const told = service({ watchdogMs: undefined });
    told.ready();
    await expect.poll(() => said().length).toBe(1);
    await clock.advance(60_000);
    status = '1 link up';
    await clock.advance(5_000);
    await expect.poll(() => said().length).toBe(2);
    await clock.advance(60_000);
    told.stopping();
    await expect.poll(said).toEqual(['--ready --status=2 links up', '--status=1 link up', 'STOPPING=1']);
  });

  it('nothing where it does not listen, no signs where it does not watch', async () => {
    service({ listens: false }).ready();
    service({ watchdogMs: undefined }).ready();
    await expect.poll(said).toEqual(['--ready --status=2 links up']);
    await clock.advance(60_000);
    expect(said()).toEqual(['--ready --status=2 links up']);
  });

  it('a program that is not there costs one line in the log, nothing else', async () => {
    const told = service({ program: join(folder, 'none') });
    told.ready();
    await expect.poll(() => log.at('warn').length).toBe(1);
    told.reloading();
    await expect.poll(() => log.at('warn').length).toBe(1);
  });
});

describe('what the environment says of the service manager', () => {
  it.each([
    ['none', {}, { listens: false }],
    ['one that listens', { NOTIFY_SOCKET: '/run/systemd/notify' }, { listens: true }],
    ['one that watches', { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '30000000' }, { listens: true, watchdogMs: 30_000 }],
    ['nonsense', { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: 'soon' }, { listens: true }],
  ])('%s', (_, env, expected) => {
    expect(serviceManager(env)).toEqual(expected);
  });
});
