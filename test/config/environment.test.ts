/** What systemd gives a service beside its files: credentials, and a journal that wants to know how urgent a line is. */
import { closeSync, fstatSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, writesToJournal } from '../../config/load.ts';
import { adapters, schemasOf } from '../../plugin/app/adapters.ts';
import { createLogger } from '../../plugin/app/log.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-environment-'));
  mkdirSync(join(folder, 'credentials'));
  writeFileSync(join(folder, 'credentials/ari-password'), 'a-word-of-theirs\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = async (password: string, env: NodeJS.ProcessEnv) => {
  const text = `pbx: { office: { type: freeswitch, port: 1, password: "${password}", realm: example.com } }\n`;
  return parseConfig('f.yaml', text, schemasOf(await adapters()), env).pbx.office?.options as { password?: string };
};

describe('a credential of systemd', () => {
  it.each([
    ['by its name', `\${credential:ari-password}`, 'a-word-of-theirs'],
    ['as a part of a value', `<\${credential:ari-password}>`, '<a-word-of-theirs>'],
    [
      'the folder of all, for keys that are named by their path',
      `\${CREDENTIALS_DIRECTORY}/apns-key`,
      'FOLDER/apns-key',
    ],
  ])('%s', async (_, written, expected) => {
    const env = { CREDENTIALS_DIRECTORY: join(folder, 'credentials') };
    expect((await read(written, env)).password).toBe(expected.replace('FOLDER', env.CREDENTIALS_DIRECTORY));
  });

  it('is looked for where the service’s are kept by a command that systemd did not start', async () => {
    expect((await read(`\${CREDENTIALS_DIRECTORY}/x`, {})).password).toBe('/run/credentials/pushwake.service/x');
    await expect(read(`\${credential:none}`, {})).rejects.toThrow(
      /:1:55 .*cannot read \/run\/credentials\/pushwake\.service\/none \(ENOENT\); it is there while the service runs, and for root/,
    );
  });

  it.each(['../x', 'a/b', '', '\\n'])('is named by letters, digits and . _ -: %s', async (name) => {
    await expect(read(`\${credential:${name}}`, { CREDENTIALS_DIRECTORY: folder })).rejects.toThrow(
      /the name that LoadCredential gives it/,
    );
  });
});

describe('the journal', () => {
  it.each([
    ['no journal', () => ({}), false],
    ['its socket', (n: string) => ({ JOURNAL_STREAM: n }), true],
    ['inherited, while stdout goes to a file', () => ({ JOURNAL_STREAM: '1:1' }), false],
  ])('is known by its socket: %s', (_, env, expected) => {
    const stdout = openSync(join(folder, 'stdout'), 'w');
    try {
      const { dev, ino } = fstatSync(stdout);
      expect(writesToJournal(env(`${dev}:${ino}`), stdout)).toBe(expected);
    } finally {
      closeSync(stdout);
    }
  });

  const lines = (isJournal: boolean): string => {
    const to = new PassThrough();
    const log = createLogger('trace', to, isJournal);
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) log[level](level);
    return String(to.read());
  };

  it('hears how urgent each line is', () => {
    expect(lines(true).match(/^<\d>\{"level":\d+/gm)).toEqual([
      '<7>{"level":10',
      '<7>{"level":20',
      '<6>{"level":30',
      '<4>{"level":40',
      '<3>{"level":50',
      '<2>{"level":60',
    ]);
  });

  it('is told apart from every other reader, which gets JSON and nothing else', () => {
    for (const line of lines(false).trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ service: 'pushwake' });
  });
});
