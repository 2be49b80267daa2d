/** Half-open requests must not take the descriptors of the links: a process of its own with few of them, flooded. */
import { spawn } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { connectionShares, DESCRIPTORS_WANTED, limitIn } from '../../plugin/app/descriptors.ts';
import { descriptorFinding } from '../../plugin/commands/check/program.ts';

const CHILD = fileURLToPath(new URL('few-descriptors-child.ts', import.meta.url));
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What 20 links of a process with 200 descriptors come to while 300 half-sent requests stand at its listener. */
async function flooded(how: 'capped' | 'uncapped'): Promise<string[]> {
  const pbx = createServer();
  await new Promise<void>((done) => pbx.listen(0, '127.0.0.1', done));
  closing.push(() => pbx.close());
  const { port: linkPort } = pbx.address() as AddressInfo;
  const command = `ulimit -n 200; exec "$0" "$1" ${how} ${linkPort}`;
  const child = spawn('/bin/sh', ['-c', command, process.execPath, CHILD], { stdio: ['pipe', 'pipe', 'inherit'] });
  closing.push(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse(String((await lines.next()).value));
  const { limit, port } = await next();
  expect(limit).toBe(200);
  await Promise.all(
    Array.from({ length: 300 }, () => {
      const socket: Socket = connect(port, '127.0.0.1');
      closing.push(() => socket.destroy());
      socket.on('error', () => undefined);
      return new Promise<void>((done) =>
        socket.once('connect', () => done(void socket.write('POST /x HTTP/1.1\r\nx-'))),
      );
    }),
  );
  child.stdin.write('now\n');
  return next();
}

describe('a process with 200 descriptors and 300 half-sent requests', () => {
  it('still has them for 20 links', async () => {
    expect(await flooded('capped')).toEqual(Array.from({ length: 20 }, () => 'up'));
  });

  it('control: without the cap it has none', async () => {
    expect(await flooded('uncapped')).toContain('EMFILE');
  });
});

describe('the shares', () => {
  it.each([undefined, 64, 200, 256, 1_024, 4_096, 65_536, 1_048_576])('of %s leave room for links', (limit) => {
    const { admin, devices } = connectionShares(limit);
    expect(admin).toBeGreaterThanOrEqual(4);
    expect(devices).toBeGreaterThanOrEqual(admin);
    expect(admin + devices).toBeLessThanOrEqual((limit ?? 1e6) - Math.min(512, (limit ?? 1e6) / 2));
  });

  it('the limit is read as Linux writes it', () => {
    const text = (soft: string) =>
      `Limit                     Soft Limit\nMax open files            ${soft}         1048576  files\n`;
    expect([limitIn(text('1024')), limitIn(text('unlimited')), limitIn('')]).toEqual([1_024, undefined, undefined]);
  });

  it.each([
    [undefined, 'ok'],
    [DESCRIPTORS_WANTED - 1, 'warn'],
    [DESCRIPTORS_WANTED, 'ok'],
  ] as const)('`check` says of a limit of %s: %s', (limit, level) => {
    expect(descriptorFinding(limit)).toMatchObject({ level });
  });
});
