/** The real FreeSWITCH for tests: what a test imports. */
export type { FreeswitchAccount } from './config.ts';
export { type EslAddress, EslClient, type EslFrame, type EslHeaders, FrameReader } from './esl.ts';
export { type FreeswitchOptions, type RunningFreeswitch, startFreeswitch } from './instance.ts';
export { type FreeswitchHome, locateFreeswitch } from './locate.ts';
