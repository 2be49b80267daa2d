/**
 * Which keys an app finds in its pushes: ours, those of Linphone's library beside ours, or those of a template of the
 * administrator's (`payload` of an app). What the keys are good for: `docs/app-payloads.md`.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Target } from '../../plugin/core/binding.ts';
import { ConfigError } from '../../plugin/ports/config-error.ts';
import type { CallPush, MissedPush, NoticePush, PushPurpose } from '../../plugin/ports/push-provider.ts';
import {
  type JsonObject,
  longestValues,
  PLACEHOLDERS,
  PURPOSES,
  render,
  type Template,
  unknownPlaceholders,
} from './payload-template.ts';
import type { WaitingPush } from './waiting.ts';

export type PayloadProfile =
  /** Linphone's keys for apps that register as Linphone's library does. */
  | { readonly kind: 'auto' }
  | { readonly kind: 'pushwake' }
  | { readonly kind: 'linphone' }
  | { readonly kind: 'template'; readonly template: Template };

const WORDS = ['auto', 'pushwake', 'linphone'] as const;

export const payloadOption = z
  .string()
  .min(1)
  .default('auto')
  .describe(
    'Which keys the app finds in a push. pushwake: ours. linphone: those of Linphone’s library beside ours. auto: linphone for an app that registers as that library does, else pushwake. Anything else: path of a JSON template, read at the start.',
  );

export const textsOption = z
  .enum(['pushwake', 'app'])
  .default('pushwake')
  .describe(
    'Whose texts the user reads. pushwake: ours, in his language. app: those of the app, by keys (loc-key): docs/app-payloads.md lists them.',
  );

/** Whose texts the user reads. */
export type Texts = z.output<typeof textsOption>;

/** A text of the app, by the key that the app has it under. */
export interface AppText {
  readonly key: string;
  readonly args: readonly string[];
}

/** The app's own text for a notice. */
export function textOfNotice({ notice }: NoticePush): AppText {
  return { key: `pushwake_${notice}`, args: [] };
}

/** The app's own text for missed calls. */
export function textOfMissed({ count }: MissedPush): AppText {
  return { key: 'pushwake_missed', args: [String(count)] };
}

/** The app's own text for texts or voice messages that wait. */
export function textOfWaiting({ purpose, count }: WaitingPush): AppText {
  return { key: `pushwake_${purpose}`, args: [String(count)] };
}

/** The app's own text for a call that goes by a visible push. */
export function textOfCall(caller: string | undefined): AppText {
  return caller ? { key: 'pushwake_call_from', args: [caller] } : { key: 'pushwake_call', args: [] };
}

/** What a service can carry: `nested` JSON (APNs), or texts side by side (`flat`, FCM). `limitBytes`: of one push of this purpose. */
export interface Carrier {
  readonly form: 'nested' | 'flat';
  readonly limitBytes: (purpose: PushPurpose) => number;
}

const EXPECTED =
  'expected a JSON object with one object for each of call, cancel, refresh, notice, missed, message, voicemail that the app wants otherwise';

/** FCM refuses a message with such a key in `data`, so that no call would be pushed. */
const RESERVED_BY_FCM = /^(?:from|message_type|google.*|gcm.*)$/;

/** What a silent push of Apple's must not hold. */
const SEEN = ['alert', 'badge', 'sound'];

/** Throws `ConfigError` that names the file, the place in it and the expected form. `setting`: `push.apns.apps[0].payload`. */
export function readProfile(payload: string, setting: string, carrier: Carrier): PayloadProfile {
  const word = WORDS.find((known) => known === payload);
  if (word !== undefined) return { kind: word };
  const where = `${setting}: ${payload}`;
  let text: string;
  try {
    text = readFileSync(payload, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    throw new ConfigError(
      `${where} cannot be read (${code}); expected auto, pushwake, linphone or the path of a JSON template`,
    );
  }
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new ConfigError(`${where} is not JSON; ${EXPECTED}`);
  }
  if (!isObject(read)) throw new ConfigError(`${where} is no object; ${EXPECTED}`);
  for (const [purpose, part] of Object.entries(read)) checkPart(where, purpose, part, carrier);
  return { kind: 'template', template: read as Template };
}

function checkPart(where: string, name: string, part: unknown, carrier: Carrier): void {
  const purpose = PURPOSES.find((known) => known === name);
  if (purpose === undefined) throw new ConfigError(`${where}: "${name}" is no purpose of a push; ${EXPECTED}`);
  if (!isObject(part)) throw new ConfigError(`${where}: ${purpose} is no object; ${EXPECTED}`);
  const [unknown] = unknownPlaceholders(purpose, part);
  if (unknown !== undefined) {
    const known = PLACEHOLDERS[purpose].map((placeholder) => `{${placeholder}}`).join(', ');
    throw new ConfigError(`${where}: ${unknown} is not known there; expected ${known}`);
  }
  if (carrier.form === 'flat') {
    const other = Object.keys(part).find((key) => typeof part[key] !== 'string');
    if (other !== undefined) {
      throw new ConfigError(
        `${where}: ${purpose}.${other} is no text; expected texts only, for FCM carries nothing else`,
      );
    }
    const reserved = Object.keys(part).find((key) => RESERVED_BY_FCM.test(key));
    if (reserved !== undefined) {
      throw new ConfigError(
        `${where}: ${purpose}.${reserved} is a name that FCM keeps for itself; expected another name`,
      );
    }
  } else if (part.aps !== undefined && !isObject(part.aps)) {
    throw new ConfigError(`${where}: ${purpose}.aps is no object; expected an object, as Apple does`);
  } else if (purpose === 'cancel' || purpose === 'refresh') {
    const seen = isObject(part.aps) ? SEEN.find((key) => Object.hasOwn(part.aps as JsonObject, key)) : undefined;
    if (seen !== undefined) {
      throw new ConfigError(`${where}: ${purpose}.aps.${seen} would make a silent push visible; expected it without`);
    }
  }
  const bytes = Buffer.byteLength(JSON.stringify(render(part, longestValues(purpose))));
  const limit = carrier.limitBytes(purpose);
  if (bytes > limit) {
    throw new ConfigError(
      `${where}: ${purpose} takes ${bytes} bytes with the longest values; expected at most ${limit}`,
    );
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether an app finds Linphone's keys beside ours. */
export function isForLinphone(profile: PayloadProfile, { library }: Pick<Target, 'library'>): boolean {
  return profile.kind === 'linphone' || (profile.kind === 'auto' && library === 'liblinphone');
}

/** The template of a purpose, where the app has one. */
export function templateOf(profile: PayloadProfile, purpose: PushPurpose): JsonObject | undefined {
  return profile.kind === 'template' && purpose !== 'custom' ? profile.template[purpose] : undefined;
}

/** The name of the text that Linphone's apps show for a call. */
const INCOMING_CALL = 'IC_MSG';

/**
 * The keys of a call that Linphone's library and its apps read. `call-id` is the Call-ID of the INVITE that follows, where the PBX lets
 * us choose it; without it iOS shows a second call, and an Android app that the push starts leaves the push unread.
 */
export function linphoneKeys({ callId, pushId }: CallPush): Readonly<Record<string, string>> {
  return { 'call-id': callId, uuid: pushId, 'loc-key': INCOMING_CALL };
}
