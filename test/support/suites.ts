/**
 * Suites that start real parts (an Asterisk, a Redis, a browser …), as folders or files of `test`: not among the fast ones. `HURRIED`: with
 * phones whose time counts, so one file at a time. `UNHURRIED`: they compute or wait, and a busy machine changes nothing: they run beside those, with the lowest priority.
 */
export const HURRIED: readonly string[] = [
  'test/asterisk/**',
  'test/transparency/**',
  'test/e2e/demo.test.ts',
  'test/redis/**',
  'test/package/getting-started.test.ts',
  'test/phone/real/guide.test.ts',
  'test/phone/real/phone.test.ts',
  'test/phone/real/texts.test.ts',
];
export const UNHURRIED: readonly string[] = [
  'test/e2e/week.test.ts',
  'test/package/npm.test.ts',
  'test/package/adapters.test.ts',
  'test/browser/**',
  'test/crash/**',
  'test/prometheus/**',
];

/** Debian has no package of FreeSWITCH: `npm run test:freeswitch` runs these where there is one. */
export const FREESWITCH: readonly string[] = ['test/freeswitch/**'];
/** They boot a machine: `npm run test:systemd`. */
export const SYSTEMD: readonly string[] = ['test/systemd/**'];
/** They build packages for minutes and install tools: `npm run test:packages`; the documentation's site alone: `npm run test:site`. */
export const PACKAGES: readonly string[] = ['test/packages/**', 'test/site/**'];
/** FreePBX's modules are no part of this repository: `npm run test:freepbx` runs these where there are checkouts. */
export const FREEPBX: readonly string[] = ['test/freepbx/**'];
/** Needs a checkout of FusionPBX besides a FreeSWITCH: `npm run test:fusionpbx`. */
export const FUSIONPBX: readonly string[] = ['test/fusionpbx/**'];
/** They place test calls for minutes on a real PBX: `npm run test:app`. */
export const APP_TESTS: readonly string[] = ['test/app-test/real/**'];
/** Several nodes beside a real Asterisk, with calls going on: `npm run test:nodes`. */
export const NODES: readonly string[] = ['test/nodes/**'];
/** The seven days of a Chromium that is a phone, two minutes beside those above: `npm run test:phone` plays all of them. */
export const PHONE: readonly string[] = ['test/phone/real/week.test.ts'];
/** What `npm test` leaves to commands of their own. */
export const ELSEWHERE: readonly string[] = [
  ...FREESWITCH,
  ...SYSTEMD,
  ...PACKAGES,
  ...FREEPBX,
  ...FUSIONPBX,
  ...APP_TESTS,
  ...NODES,
  ...PHONE,
];
