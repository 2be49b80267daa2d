/**
 * Loaded before pushwake (`node --import`), it makes of it one two versions on: records of a format that is two higher, which say that today's
 * may read them (ADR 0110), with a field that today's does not know.
 */
import { registerHooks } from 'node:module';

/** Each must be found, or the tests would compare today's version with itself. */
const CHANGES: Readonly<Record<string, readonly (readonly [RegExp, string])[]>> = {
  '/plugin/core/binding.ts': [
    [/export const RECORD_FORMAT = 2;/, 'export const RECORD_FORMAT = 4;'],
    [/format: RECORD_FORMAT,\n/, "format: RECORD_FORMAT, readableFrom: 2, ofTheNextVersion: 'kept',\n"],
  ],
  '/plugin/core/old-records.ts': [
    [
      /MIGRATIONS: Migrations = \{ 1: fromFormat1 \}/,
      'MIGRATIONS: Migrations = { 1: fromFormat1, 2: (raw) => raw, 3: (raw) => raw }',
    ],
  ],
};

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const changes = Object.entries(CHANGES).find(([file]) => url.endsWith(file))?.[1];
    if (!changes) return loaded;
    const source = changes.reduce((text, [from, to]) => {
      if (!from.test(text)) throw new Error(`${url}: ${from} is not there`);
      return text.replace(from, to);
    }, String(loaded.source));
    return { ...loaded, source };
  },
});
