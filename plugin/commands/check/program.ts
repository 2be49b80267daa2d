/** The program itself: the Node.js it runs on, and its configuration file. */
import { statSync } from 'node:fs';
import type { LoadedConfig } from '../../../config/load.ts';
import { connectionShares, DESCRIPTORS_WANTED, descriptorLimit } from '../../app/descriptors.ts';
import { isInRange, readManifest } from '../../manifest.ts';
import type { Finding } from '../../ports/finding.ts';

export function* checkProgram(file: string, config: LoadedConfig): Iterable<Finding> {
  const { version, platforms } = readManifest();
  yield nodeFinding(process.versions.node, platforms.node);
  yield descriptorFinding(descriptorLimit());
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o007) !== 0) {
    const found = `${file} can be read by everybody on this machine (mode ${mode.toString(8)})`;
    yield { level: 'warn', what: 'configuration', found, remedy: `chmod 600 ${file}: there are passwords in it` };
  } else yield { level: 'ok', what: 'configuration', found: `${file} is right, and private` };
  yield {
    level: 'ok',
    what: 'version',
    found: `pushwake ${version}, mode ${config.mode}${config.mode === 'observe' ? ': nothing is sent, rung or removed yet' : ''}`,
  };
}

/** Of this shell; the shipped unit of systemd sets the service's own (LimitNOFILE). */
export function descriptorFinding(limit: number | undefined): Finding {
  const what = 'open files';
  if (limit === undefined) return { level: 'ok', what, found: 'no limit is known' };
  const { devices } = connectionShares(limit);
  const found = `${limit} at most; of these http.devices takes ${devices} connections`;
  if (limit >= DESCRIPTORS_WANTED) return { level: 'ok', what, found };
  const remedy = `allow ${DESCRIPTORS_WANTED}: LimitNOFILE= in the unit of systemd, \`ulimit -n\` in a shell`;
  return { level: 'warn', what, found, remedy };
}

export function nodeFinding(version: string, range: string): Finding {
  const what = 'Node.js';
  return isInRange(version, range)
    ? { level: 'ok', what, found: version }
    : { level: 'fail', what, found: `${version} is not supported`, remedy: `run pushwake on ${range}` };
}
