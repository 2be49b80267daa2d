/** The SIP phone for tests: what a test imports. */
export type { CallState } from './call.ts';
export type { IncomingCall, ReceivedInvite } from './incoming-call.ts';
export type { Lamp, LampState } from './lamp.ts';
export type { LogEntry } from './log.ts';
export { paramOf, type SipMessage, splitList, uriOf } from './message.ts';
export type { CallAnswer, OutgoingCall } from './outgoing-call.ts';
export {
  type AnswerPolicy,
  type RegisterOptions,
  type RegisterResult,
  SipPhone,
  type SipPhoneOptions,
  type SleepOptions,
} from './phone.ts';
export type { RtpStats } from './rtp.ts';
export type { ServerAddress, TransportKind } from './transport.ts';
