/** What `pushwake check --offline` says of a scene's PBX. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FreeswitchScene } from './freeswitch-scene.ts';

const CLI = fileURLToPath(new URL('../../plugin/cli.ts', import.meta.url));

interface Shown {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly group: string;
  readonly what: string;
  readonly found: string;
  readonly remedy?: string;
}

/** What is not ok, as lines. `change`: of the scene's pushwake.yaml. */
export async function notOk(
  scene: FreeswitchScene,
  change: (yaml: string) => string = (yaml) => yaml,
): Promise<string[]> {
  const file = join(scene.folder, 'checked.yaml');
  writeFileSync(file, change(scene.yaml()), { mode: 0o600 });
  const stdout = await new Promise<string>((resolve) => {
    execFile(process.execPath, [CLI, 'check', '-c', file, '--offline', '--json'], (_error, out) => resolve(out));
  });
  const { findings } = JSON.parse(stdout) as { findings: Shown[] };
  return findings
    .filter((f) => f.level !== 'ok')
    .map((f) => `${f.level} ${f.group}, ${f.what}: ${f.found} → ${f.remedy ?? ''}`);
}
