/**
 * What goes to a browser or a UnifiedPush app for each purpose: headers of RFC 8030 and the text to encrypt. Pure.
 * `docs/app-payloads.md` says what the app finds in it.
 */
import { createHash } from 'node:crypto';
import { between, type Instant, MINUTE, SECOND } from '../../../plugin/core/time.ts';
import type { PushRequest } from '../../../plugin/ports/push-provider.ts';
import { cutToFit } from '../cut-to-fit.ts';
import { fieldsOf, wordsOf } from '../waiting.ts';

export interface WebPushMessage {
  /** Seconds. 0: now or never. */
  readonly ttl: number;
  readonly urgency: 'normal' | 'high';
  /** At most 32 characters of base64url: a later one with the same replaces what still waits. */
  readonly topic?: string;
  /** JSON text, to be encrypted. */
  readonly text: string;
}

/** RFC 8291 §4: "a push service is not required to support more than 4096 octets of payload body", which is 3993 of text. */
export const LIMIT_BYTES = 3_993;

/** Services take some weeks at most; four are what most of them name. */
const LONGEST_TTL_S = 2_419_200;
/** A closing word that comes later than this is of no use: the phone has stopped ringing by itself. */
const CANCEL_USEFUL_FOR = MINUTE;

type Body = Readonly<Record<string, unknown>>;

/** Undefined when it cannot be brought under the limit, even with every text cut that may be cut. */
export function buildMessage(request: PushRequest, now: Instant): WebPushMessage | undefined {
  const { aor } = request;
  const leftMs = between(now, request.expiresAt);
  switch (request.purpose) {
    case 'call': {
      const { callId, caller, callKey } = request;
      const text = cutToFit<string>(
        (name, number) => {
          const shown = name || number ? { caller: { ...(name && { name }), ...(number && { number }) } } : {};
          return render(request, { callId, aor, ...(callKey && { callKey }), ...shown });
        },
        fits,
        caller?.name,
        caller?.number,
      );
      // No topic: two calls that wait are two calls.
      return message(text, leftMs, 'high');
    }
    case 'cancel': {
      const usefulMs = Math.min(leftMs, between(now, request.sentAt) + CANCEL_USEFUL_FOR);
      const text = render(request, { callId: request.callId, aor, ended: request.word });
      return message(onlyIfItFits(text), usefulMs, 'high');
    }
    case 'refresh': {
      const text = onlyIfItFits(render(request, { aor }));
      return message(text, leftMs, request.urgent ? 'high' : 'normal', request.collapseId);
    }
    case 'notice': {
      const text = cutToFit<string>(
        (body, title) =>
          render(request, { aor, notice: request.notice }, { ...(title && { title }), ...(body && { body }) }),
        fits,
        request.body,
        request.title,
      );
      return message(text, leftMs, 'high', request.collapseId);
    }
    case 'missed': {
      const { callId, count, caller } = request;
      const text = cutToFit<string>(
        (name, number) => {
          const from = name || number;
          const shown = from ? { caller: { ...(name && { name }), ...(number && { number }) } } : {};
          return render(
            request,
            { callId, aor, count, ...shown },
            { ...(from && { title: from }), body: request.body },
          );
        },
        fits,
        caller?.name,
        caller?.number,
      );
      return message(text, leftMs, 'high', request.collapseId);
    }
    case 'message':
    case 'voicemail': {
      const what = fieldsOf(request);
      const words = wordsOf(request);
      const text = cutToFit<string>(
        (shown, title) => render(request, what, shown ? { ...(title && { title }), body: shown } : undefined),
        fits,
        words?.body,
        words?.title,
      );
      return message(text, leftMs, words ? 'high' : 'normal', request.collapseId);
    }
    case 'custom': {
      const { data, urgent } = request;
      const what = { aor, ...(data && { data }) };
      const text = cutToFit<string>(
        (shown, title) => render(request, what, shown ? { ...(title && { title }), body: shown } : undefined),
        fits,
        request.body,
        request.title,
      );
      return message(text, leftMs, urgent ? 'high' : 'normal', request.collapseId);
    }
  }
}

function render(request: PushRequest, what: Body, notification?: Body): string {
  const { purpose, pushId, sentAt, expiresAt } = request;
  return JSON.stringify({
    ...(notification && { notification }),
    pushwake: { v: 1, type: purpose, pushId, ...what, sentAt, expiresAt },
  });
}

function message(
  text: string | undefined,
  leftMs: number,
  urgency: 'normal' | 'high',
  collapseId?: string,
): WebPushMessage | undefined {
  if (text === undefined) return undefined;
  const ttl = Math.min(LONGEST_TTL_S, Math.max(0, Math.floor(leftMs / SECOND)));
  return { ttl, urgency, ...(collapseId === undefined ? {} : { topic: topicOf(collapseId) }), text };
}

function topicOf(collapseId: string): string {
  return createHash('sha256').update(collapseId).digest('base64url').slice(0, 32);
}

function onlyIfItFits(text: string): string | undefined {
  return fits(text) ? text : undefined;
}

function fits(text: string): boolean {
  return Buffer.byteLength(text) <= LIMIT_BYTES;
}
