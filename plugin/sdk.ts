/**
 * `pushwake/sdk`: what an adapter from outside is written against. An adapter is a module that exports `optionsSchema` (made
 * with the `z` from here) and `create(options, deps)`; `check(options, deps)` and `VERDICTS` where it has them. The recipe is
 * `docs/adapters.md`; `pushwake/testing` holds the contract it must pass.
 */
export { z } from 'zod';
export { cutToFit } from '../adapters/push/cut-to-fit.ts';
export { type Exchange, type HttpProviderSpec, httpProvider } from '../adapters/push/http-provider.ts';
export { type Answer, noAnswerRows, readRetryAfter, readVerdict } from '../adapters/push/verdicts.ts';
export { HttpsClient, type HttpsClientOptions, type NoAnswer } from '../adapters/shared/https-client.ts';
export { type Aor, aorOf, parseAor } from './core/aor.ts';
export type {
  AorRecord,
  Binding,
  BindingId,
  Target,
  Targets,
} from './core/binding.ts';
export { decodeRecord, emptyRecord, encodeRecord } from './core/binding.ts';
export { HttpProxy } from './core/proxy.ts';
export {
  between,
  DAY,
  type DurationMs,
  HOUR,
  type Instant,
  instant,
  MINUTE,
  plus,
  SECOND,
} from './core/time.ts';
export { Token } from './core/token.ts';
export type { ClosingWord, WakeStatus } from './core/wake.ts';
export type { AdapterModule } from './manifest.ts';
export type { AdapterDeps, Logger } from './ports/adapter.ts';
export { type BindingStore, type PutOutcome, type ReadHow, StoreError } from './ports/binding-store.ts';
export type { Clock } from './ports/clock.ts';
export { ConfigError } from './ports/config-error.ts';
export type { EventSink } from './ports/event-sink.ts';
export type { BrowsersRegister, CheckDeps, Finding } from './ports/finding.ts';
export {
  type AskAnswer,
  type Caller,
  type DeviceLeg,
  type HeldContact,
  isRegister,
  type LegOutcome,
  LinkError,
  type PbxEvent,
  type PbxLink,
  type RingTarget,
  type Sensor,
  type WakeLeg,
} from './ports/pbx-link.ts';
export type {
  Credential,
  GiveUp,
  PushOutcome,
  PushProvider,
  PushPurpose,
  PushRequest,
  Verdict,
} from './ports/push-provider.ts';
