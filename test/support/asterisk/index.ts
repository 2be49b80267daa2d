/** The real Asterisk for tests: what a test imports. */
export { type AsteriskHome, bringAsterisk, CannotBringAsterisk, type Progress } from './bring.ts';
export { difference, type MachineFingerprint, machineFingerprint } from './checksum.ts';
export { type AriUser, type HepTarget, PLAIN_DIALPLAN, passwordOf, type SipUser } from './config.ts';
export { type AsteriskOptions, type RunningAsterisk, type Snippet, startAsterisk } from './instance.ts';
export type { AsteriskPorts } from './ports.ts';
