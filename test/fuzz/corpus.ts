/** Inputs that are kept: those that broke something once, and one of each rare outcome. A folder for each target. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = new URL('corpus/', import.meta.url);

export function corpusOf(target: string): readonly Buffer[] {
  const folder = new URL(`${target}/`, FOLDER);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(new URL(name, folder)));
}

/** Answers where it stands. */
export function keep(target: string, input: Buffer): string {
  const folder = new URL(`${target}/`, FOLDER);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`${createHash('sha256').update(input).digest('hex').slice(0, 12)}.bin`, folder);
  writeFileSync(file, input);
  return fileURLToPath(file);
}
