/** `pushwake check` on a real FreeSWITCH: nothing to say of one that is right, and each thing planted is named. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';

const CLI = fileURLToPath(new URL('../../plugin/cli.ts', import.meta.url));

interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly subject: string;
  readonly found: string;
  readonly remedy?: string;
}

let scene: FreeswitchScene;
beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(1), withoutPushwake: true });
});
afterAll(async () => scene?.close());

/** What is not ok, as lines. */
async function notOk(change: (yaml: string) => string = (yaml) => yaml): Promise<string[]> {
  const file = join(scene.folder, 'checked.yaml');
  writeFileSync(file, change(scene.yaml()), { mode: 0o600 });
  const stdout = await new Promise<string>((resolve) => {
    execFile(process.execPath, [CLI, 'check', '-c', file, '--offline', '--json'], (_error, out) => resolve(out));
  });
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return findings.filter((f) => f.level !== 'ok').map((f) => `${f.level} ${f.subject}: ${f.found} → ${f.remedy ?? ''}`);
}
const ofTheLink = (lines: readonly string[]) =>
  lines.filter((line) => /pbx|office|freeswitch|profile|dialplan/i.test(line));

it('one that is right: nothing', async () => {
  expect(ofTheLink(await notOk())).toEqual([]);
});

it('a wrong password', async () => {
  const lines = ofTheLink(await notOk((yaml) => yaml.replace(/^( +password: ).*$/m, '$1not-the-one')));
  expect(lines.join('\n')).toMatch(/^fail .*(login|password)/im);
});

it('a realm that the directory does not know, and phones that are registered in another one', async () => {
  const phone = await scene.phone('1001');
  await phone.register({ contactParams: scene.install().params });
  const lines = await notOk((yaml) => yaml.replace('realm: example.com', 'realm: example.org'));
  expect(lines.filter((line) => /realm/.test(line)).join('\n')).toMatch(
    /directory knows no domain example\.org[\s\S]*knows the account in the domain example\.com, which `realm` does not name/,
  );
});

it('a profile that is not there', async () => {
  const lines = ofTheLink(await notOk((yaml) => yaml.replace(/profiles: \[[^\]]*\]/, 'profiles: [internal, nowhere]')));
  expect(lines.join('\n')).toMatch(/nowhere/);
});
