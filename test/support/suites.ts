/** Folders of `test` whose suites start real parts (an Asterisk, a Redis, a browser …): one file at a time, and not among the fast suites. */
export const SUITES_OF_REAL_PARTS: readonly string[] = [
  'asterisk',
  'transparency',
  'e2e',
  'crash',
  'redis',
  'prometheus',
  'package',
  'browser',
];
