/**
 * What goes to Google for each purpose. Pure. `docs/app-payloads.md` says what the app finds in it. The message is in the
 * form firebase-admin takes (`ttl` in milliseconds, camel case); on the wire it is FCM v1's.
 */
import { createHash } from 'node:crypto';
import { between, type DurationMs, type Instant, MINUTE, SECOND } from '../../../plugin/core/time.ts';
import type { PushRequest } from '../../../plugin/ports/push-provider.ts';
import { cutToFit } from '../cut-to-fit.ts';
import {
  type AppText,
  isForLinphone,
  linphoneKeys,
  type PayloadProfile,
  type Texts,
  templateOf,
  textOfMissed,
  textOfNotice,
  textOfWaiting,
} from '../payload-profile.ts';
import { render, valuesOf } from '../payload-template.ts';
import { callerOf, type WaitingPush, wordsOf } from '../waiting.ts';

/** FCM knows strings and nothing else. */
export type Data = { readonly [field: string]: string };

export interface FcmMessage {
  readonly data: Data;
  readonly notification?: { readonly title?: string; readonly body?: string };
  readonly android: {
    readonly priority: 'high' | 'normal';
    /** Whole seconds. 0: now or never. */
    readonly ttl: DurationMs;
    readonly collapseKey?: string;
    readonly notification?: {
      readonly tag?: string;
      readonly channelId?: string;
      readonly sound: 'default';
      readonly bodyLocKey?: string;
      readonly bodyLocArgs?: string[];
    };
  };
}

/**
 * Google's limit in bytes. It counts the names and values of data and notification; we count their JSON, which is more, so
 * that no way of counting finds too much.
 */
export const LIMIT_BYTES = 4_096;

/** What FCM takes at most: 28 days. */
const LONGEST_TTL: DurationMs = 2_419_200 * SECOND;

/** A closing word that comes later than this is of no use: the phone has stopped ringing by itself. */
const CANCEL_USEFUL_FOR = MINUTE;

export interface AppTexts {
  readonly channelId?: string | undefined;
  readonly profile: PayloadProfile;
  readonly texts: Texts;
}

/** Undefined when it cannot be brought under the limit, even with every text cut that may be cut. */
export function buildMessage(request: PushRequest, app: AppTexts, now: Instant): FcmMessage | undefined {
  const { aor } = request;
  const leftMs = between(now, request.expiresAt);
  switch (request.purpose) {
    case 'call': {
      // Data only: with a `notification` Android shows that and does not start the app. No collapse key: collapsible
      // pushes are limited to 20 and then one in 3 minutes, for a device (FCM, "Throttling and quotas").
      const android = { priority: 'high' as const, ttl: ttl(leftMs) };
      const { callId, callKey } = request;
      return cutToFit<FcmMessage>(
        (name, number) => {
          const caller = { ...(name && { 'caller.name': name }), ...(number && { 'caller.number': number }) };
          const theirs = written(request, app, [name, number]);
          if (theirs) return { data: theirs, android };
          const from = name || number;
          const linphone = isForLinphone(app.profile, request.target)
            ? { ...linphoneKeys(request), ...(from && { 'sip-from': from }), ...(name && { 'display-name': name }) }
            : {};
          const data = body(request, { callId, aor, ...(callKey && { callKey }), ...caller, ...linphone });
          return { data, android };
        },
        fits,
        request.caller?.name,
        request.caller?.number,
      );
    }
    case 'cancel': {
      const { callId, word } = request;
      const usefulMs = Math.min(leftMs, between(now, request.sentAt) + CANCEL_USEFUL_FOR);
      const android = { priority: 'high' as const, ttl: ttl(usefulMs) };
      return onlyIfItFits({ data: written(request, app, []) ?? body(request, { callId, aor, ended: word }), android });
    }
    case 'refresh': {
      // "High priority messages … should result in user-facing notifications"; what shows nothing is demoted, with the calls
      // after it. So a refresh is normal, though it may sleep through Doze, until it is one of the last.
      const priority = request.urgent ? ('high' as const) : ('normal' as const);
      const android = { priority, ttl: ttl(leftMs), collapseKey: keyOf(request.collapseId ?? 'pushwake-refresh') };
      return onlyIfItFits({ data: written(request, app, []) ?? body(request, { aor }), android });
    }
    case 'notice': {
      const { notice } = request;
      // Android takes a text of ours before one of the app's: so there is only one of them.
      const own = app.texts === 'app' ? located(textOfNotice(request)) : {};
      const android = { priority: 'high' as const, ...shown(request, app, leftMs, own) };
      if (app.texts === 'app') {
        return onlyIfItFits({ data: written(request, app, []) ?? body(request, { aor, notice }), android });
      }
      return cutToFit<FcmMessage>(
        (text, title) => ({
          data: written(request, app, [text, title]) ?? body(request, { aor, notice }),
          notification: { ...(title && { title }), ...(text && { body: text }) },
          android,
        }),
        fits,
        request.body,
        request.title,
      );
    }
    case 'missed': {
      const { callId, count } = request;
      const own = app.texts === 'app' ? located(textOfMissed(request)) : {};
      const android = { priority: 'high' as const, ...shown(request, app, leftMs, own) };
      return cutToFit<FcmMessage>(
        (name, number) => {
          const caller = { ...(name && { 'caller.name': name }), ...(number && { 'caller.number': number }) };
          const from = name || number;
          return {
            data:
              written(request, app, [name, number]) ?? body(request, { aor, callId, count: String(count), ...caller }),
            ...(app.texts === 'pushwake' && { notification: { ...(from && { title: from }), body: request.body } }),
            android,
          };
        },
        fits,
        request.caller?.name,
        request.caller?.number,
      );
    }
    case 'message':
    case 'voicemail':
      return waitingMessage(request, app, leftMs);
    case 'custom': {
      const data = { aor, ...(request.data && { data: JSON.stringify(request.data) }) };
      const priority = request.urgent ? ('high' as const) : ('normal' as const);
      if (request.body === undefined) {
        const { collapseKey } = shown(request, app, leftMs, {});
        const android = { priority, ttl: ttl(leftMs), ...(collapseKey !== undefined && { collapseKey }) };
        return onlyIfItFits({ data: body(request, data), android });
      }
      const android = { priority, ...shown(request, app, leftMs, {}) };
      return cutToFit<FcmMessage>(
        (text, title) => ({
          data: body(request, data),
          notification: { ...(title && { title }), ...(text && { body: text }) },
          android,
        }),
        fits,
        request.body,
        request.title,
      );
    }
  }
}

function waitingMessage(request: WaitingPush, app: AppTexts, leftMs: DurationMs): FcmMessage | undefined {
  const { aor, count } = request;
  const { name, number } = callerOf(request);
  const shownCaller = { ...(name && { 'caller.name': name }), ...(number && { 'caller.number': number }) };
  const data = body(request, { aor, count: String(count), ...shownCaller });
  const words = wordsOf(request);
  if (words === undefined) {
    const android = { priority: 'normal' as const, ttl: ttl(leftMs), collapseKey: keyOf(request.collapseId ?? aor) };
    return onlyIfItFits({ data: written(request, app, []) ?? data, android });
  }
  const isTheirs = app.texts === 'app' && !words.isText;
  const own = isTheirs ? located(textOfWaiting(request)) : {};
  const android = { priority: 'high' as const, ...shown(request, app, leftMs, own) };
  return cutToFit<FcmMessage>(
    (text, title) => ({
      data: written(request, app, [text, title]) ?? data,
      ...(!isTheirs && { notification: { ...(title && { title }), ...(text && { body: text }) } }),
      android,
    }),
    fits,
    words.body,
    words.title,
  );
}

/** Of a push that Android shows. The collapse key replaces what still waits at Google, the tag what stands on the screen. */
function shown(
  { collapseId }: PushRequest,
  app: AppTexts,
  leftMs: DurationMs,
  text: ReturnType<typeof located> | object,
) {
  const key = collapseId === undefined ? undefined : keyOf(collapseId);
  return {
    ttl: ttl(leftMs),
    ...(key !== undefined && { collapseKey: key }),
    notification: {
      ...(key !== undefined && { tag: key }),
      ...(app.channelId !== undefined && { channelId: app.channelId }),
      sound: 'default' as const,
      ...text,
    },
  };
}

function located({ key, args }: AppText) {
  return { bodyLocKey: key, ...(args.length > 0 && { bodyLocArgs: [...args] }) };
}

/** In the app's own form; undefined where it has none. */
function written(
  request: PushRequest,
  { profile }: AppTexts,
  [first, second]: readonly (string | undefined)[],
): Data | undefined {
  const template = templateOf(profile, request.purpose);
  return template && (render(template, valuesOf(request, first, second)) as Data);
}

/** The same fields as for every service, side by side: `caller.name` is a name with a dot in it. */
function body(request: PushRequest, what: Data): Data {
  const { purpose, pushId, sentAt, expiresAt } = request;
  return { v: '1', type: purpose, pushId, ...what, sentAt: String(sentAt), expiresAt: String(expiresAt) };
}

/** Whole seconds, downwards: a push must not come after its end. */
function ttl(leftMs: DurationMs): DurationMs {
  return Math.min(LONGEST_TTL, Math.max(0, Math.floor(leftMs / SECOND) * SECOND));
}

/** Plain and short; what is not is hashed, so that equals stay equal. */
function keyOf(collapseId: string): string {
  return /^[\x21-\x7e]{1,64}$/.test(collapseId) ? collapseId : createHash('sha256').update(collapseId).digest('hex');
}

function onlyIfItFits(message: FcmMessage): FcmMessage | undefined {
  return fits(message) ? message : undefined;
}

function fits({ data, notification }: FcmMessage): boolean {
  return Buffer.byteLength(JSON.stringify({ data, notification })) <= LIMIT_BYTES;
}
