/**
 * What goes to Apple for each purpose: headers and JSON. Pure. `docs/app-payloads.md` says what the app finds in it.
 * Knows nothing of connections, keys and answers.
 */
import { createHash } from 'node:crypto';
import { type Instant, MINUTE, plus } from '../../../plugin/core/time.ts';
import type { CallPush, CustomPush, PushRequest } from '../../../plugin/ports/push-provider.ts';
import { cutToFit } from '../cut-to-fit.ts';
import {
  type AppText,
  isForLinphone,
  linphoneKeys,
  type PayloadProfile,
  type Texts,
  templateOf,
  textOfCall,
  textOfMissed,
  textOfNotice,
  textOfWaiting,
} from '../payload-profile.ts';
import { type JsonObject, render, valuesOf } from '../payload-template.ts';
import { fieldsOf, type WaitingPush, wordsOf } from '../waiting.ts';

export interface ApnsMessage {
  readonly pushType: 'voip' | 'background' | 'alert';
  readonly topic: string;
  readonly priority: 5 | 10;
  /** Epoch seconds. */
  readonly expiration: number;
  readonly collapseId?: string;
  readonly id: string;
  /** The JSON text. */
  readonly payload: string;
}

type Payload = Readonly<Record<string, unknown>>;

/** Apple's limits of the JSON text, in bytes. */
export const LIMIT_BYTES = { voip: 5_120, background: 4_096, alert: 4_096 } as const;

/** A closing word that comes later than this is of no use: the phone has stopped ringing by itself. */
const CANCEL_USEFUL_FOR = MINUTE;

export interface AppTexts {
  readonly bundleId: string;
  readonly incomingCallText: string;
  readonly profile: PayloadProfile;
  readonly texts: Texts;
}

/** Undefined when it cannot be brought under Apple's limit, even with every text cut that may be cut. */
export function buildMessage(request: PushRequest, app: AppTexts): ApnsMessage | undefined {
  switch (request.purpose) {
    case 'call': {
      // iOS 13 and later end an app that gets a VoIP push and reports no call: `voip` is for calls and nothing else.
      const voip = request.via !== 'other';
      const type = voip ? 'voip' : 'alert';
      const payload = callPayload(request, app, type);
      const topic = voip ? `${app.bundleId}.voip` : app.bundleId;
      return payload === undefined ? undefined : { ...common(request), pushType: type, topic, priority: 10, payload };
    }
    case 'cancel': {
      const { callId, aor, word } = request;
      const payload = silent(request, app, { callId, aor, ended: word });
      const expiration = seconds(earlier(request.expiresAt, plus(request.sentAt, CANCEL_USEFUL_FOR)));
      return fits(payload, 'background') ? { ...background(request, app, payload), expiration } : undefined;
    }
    case 'refresh': {
      const payload = silent(request, app, { aor: request.aor });
      return fits(payload, 'background') ? background(request, app, payload) : undefined;
    }
    case 'notice': {
      const { aor, notice } = request;
      const payload = cutToFit<string>(
        (text, title) => {
          const alert = app.texts === 'app' ? located(textOfNotice(request)) : { ...(title && { title }), body: text };
          const aps = { alert, sound: 'default' };
          return textOf(written(request, app, aps, [text, title]) ?? { aps, pushwake: body(request, { aor, notice }) });
        },
        (built) => fits(built, 'alert'),
        request.body,
        request.title,
      );
      return payload === undefined
        ? undefined
        : { ...common(request), pushType: 'alert', topic: app.bundleId, priority: 10, payload };
    }
    case 'missed': {
      const { callId, aor, count } = request;
      const payload = cutToFit<string>(
        (name, number) => {
          const from = name || number;
          const alert =
            app.texts === 'app' ? located(textOfMissed(request)) : { ...(from && { title: from }), body: request.body };
          const aps = { alert, sound: 'default' };
          const caller = from ? { caller: { ...(name && { name }), ...(number && { number }) } } : {};
          const ours = { aps, pushwake: body(request, { callId, aor, count, ...caller }) };
          return textOf(written(request, app, aps, [name, number]) ?? ours);
        },
        (built) => fits(built, 'alert'),
        request.caller?.name,
        request.caller?.number,
      );
      return payload === undefined
        ? undefined
        : { ...common(request), pushType: 'alert', topic: app.bundleId, priority: 10, payload };
    }
    case 'message':
    case 'voicemail':
      return waitingMessage(request, app);
    case 'custom':
      return customMessage(request, app);
  }
}

function waitingMessage(request: WaitingPush, app: AppTexts): ApnsMessage | undefined {
  const what = fieldsOf(request);
  const words = wordsOf(request);
  if (words === undefined) {
    const theirs = written(request, app, undefined, []);
    // Whatever a template shows for the visible push: this one is silent.
    const payload = textOf({ ...(theirs ?? { pushwake: body(request, what) }), aps: SILENT });
    return fits(payload, 'background') ? background(request, app, payload) : undefined;
  }
  const payload = cutToFit<string>(
    (text, title) => {
      const isTheirs = app.texts === 'app' && !words.isText;
      const alert = isTheirs ? located(textOfWaiting(request)) : { ...(title && { title }), body: text ?? '' };
      const aps = { alert, sound: 'default' };
      return textOf(written(request, app, aps, [text, title]) ?? { aps, pushwake: body(request, what) });
    },
    (built) => fits(built, 'alert'),
    words.body,
    words.title,
  );
  return payload === undefined
    ? undefined
    : { ...common(request), pushType: 'alert', topic: app.bundleId, priority: 10, payload };
}

/** "Priority 5 … for background notifications"; Apple refuses a silent push with 10. */
function customMessage(request: CustomPush, app: AppTexts): ApnsMessage | undefined {
  const { aor, data, urgent } = request;
  const ours = { pushwake: body(request, { aor, ...(data && { data }) }) };
  if (request.body === undefined) {
    const payload = textOf({ aps: SILENT, ...ours });
    return fits(payload, 'background') ? background(request, app, payload) : undefined;
  }
  const payload = cutToFit<string>(
    (text, title) =>
      textOf({ aps: { alert: { ...(title && { title }), body: text ?? '' }, sound: 'default' }, ...ours }),
    (built) => fits(built, 'alert'),
    request.body,
    request.title,
  );
  const priority = urgent ? 10 : 5;
  return payload === undefined
    ? undefined
    : { ...common(request), pushType: 'alert', topic: app.bundleId, priority, payload };
}

/** "To perform a silent background update, … don't include the alert, badge, or sound keys" (Apple). */
const SILENT = { 'content-available': 1 };

function callPayload(request: CallPush, app: AppTexts, type: 'voip' | 'alert'): string | undefined {
  const { callId, aor, callKey } = request;
  return cutToFit<string>(
    (name, number) => {
      // Without a VoIP token a visible push is the only one iOS delivers at once, also to an app that was swiped away.
      // `mutable-content` lets the app's extension reword or drop it, `content-available` wakes an app that still runs.
      const visible = type === 'voip' ? undefined : visibleCall(app, name || number);
      const theirs = written(request, app, visible, [name, number]);
      if (theirs) return textOf(theirs);
      // One literal: what is undefined is left out of the JSON.
      const ours = {
        v: 1,
        type: 'call',
        pushId: request.pushId,
        callId,
        aor,
        callKey: callKey || undefined,
        caller: name || number ? { name: name || undefined, number: number || undefined } : undefined,
        sentAt: request.sentAt,
        expiresAt: request.expiresAt,
      };
      const keys = isForLinphone(app.profile, request.target) ? linphoneKeys(request) : undefined;
      const aps = keys || visible ? { ...keys, ...visible } : undefined;
      return textOf({ aps, 'display-name': keys && name ? name : undefined, pushwake: ours });
    },
    (built) => fits(built, type),
    request.caller?.name,
    request.caller?.number,
  );
}

function visibleCall(app: AppTexts, shown: string | undefined): Payload {
  const alert =
    app.texts === 'app' ? located(textOfCall(shown)) : { title: app.incomingCallText, ...(shown && { body: shown }) };
  return { alert, sound: 'default', 'mutable-content': 1, 'content-available': 1 };
}

/** A text that the app itself has, in the language of the phone. */
function located({ key, args }: AppText): Payload {
  return { 'loc-key': key, ...(args.length > 0 && { 'loc-args': args }) };
}

/** A silent push: in the app's own form where it has one. */
function silent(request: PushRequest, app: AppTexts, what: Payload): string {
  return textOf(written(request, app, SILENT, []) ?? { aps: SILENT, pushwake: body(request, what) });
}

/** In the app's own form; undefined where it has none. `aps` is what iOS needs to show, or not to show, the push; theirs goes over it. */
function written(
  request: PushRequest,
  { profile }: AppTexts,
  aps: Payload | undefined,
  [first, second]: readonly (string | undefined)[],
): Payload | undefined {
  const template = templateOf(profile, request.purpose);
  if (!template) return undefined;
  const theirs = render(template, valuesOf(request, first, second));
  return aps === undefined ? theirs : { ...theirs, aps: { ...aps, ...(theirs.aps as JsonObject | undefined) } };
}

/** Ours, the same for every service. Instants are epoch milliseconds. */
function body(request: PushRequest, what: Payload): Payload {
  const { purpose, pushId, sentAt, expiresAt } = request;
  return { v: 1, type: purpose, pushId, ...what, sentAt, expiresAt };
}

function common(request: PushRequest) {
  const { collapseId } = request;
  return {
    id: request.pushId,
    expiration: seconds(request.expiresAt),
    ...(collapseId === undefined ? {} : { collapseId: asHeader(collapseId) }),
  };
}

function background(request: PushRequest, app: AppTexts, payload: string): ApnsMessage {
  return { ...common(request), pushType: 'background', topic: app.bundleId, priority: 5, payload };
}

function seconds(at: Instant): number {
  return Math.max(0, Math.floor(at / 1_000));
}

function earlier(a: Instant, b: Instant): Instant {
  return a < b ? a : b;
}

/** `apns-collapse-id` holds 64 bytes and must be plain text; what does not fit is hashed, so that equals stay equal. */
function asHeader(collapseId: string): string {
  return /^[\x21-\x7e]{1,64}$/.test(collapseId) ? collapseId : createHash('sha256').update(collapseId).digest('hex');
}

function textOf(payload: Payload): string {
  return JSON.stringify(payload);
}

function fits(payload: string, type: keyof typeof LIMIT_BYTES): boolean {
  return Buffer.byteLength(payload) <= LIMIT_BYTES[type];
}
