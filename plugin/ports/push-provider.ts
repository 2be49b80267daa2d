/** A push service. Providers turn a request into one HTTP exchange and its answer into an outcome; retry lies outside. */
import type { Target, Targets } from '../core/binding.ts';
import type { NoticeName } from '../core/events.ts';
import type { DurationMs, Instant } from '../core/time.ts';

/**
 * Why a push is sent. `call`: a call waits. `cancel`: the closing word of a call (elsewhere, cancelled, gave up).
 * `refresh`: silent, asks the app to REGISTER. `notice`: visible, for the user. `missed`: visible, calls that the phone slept through.
 * `message`: visible, texts that wait for the phone. `voicemail`: visible, new voice messages; silent when they were heard elsewhere.
 * `custom`: what a program of the site sends, visible where it has a text.
 */
export type PushPurpose = 'call' | 'cancel' | 'refresh' | 'notice' | 'missed' | 'message' | 'voicemail' | 'custom';

/** How a call ended for a device that did not get it. `declined`: the same person said no at another device. */
export type ClosingWord = 'elsewhere' | 'cancelled' | 'gave-up' | 'declined';

interface Common {
  readonly target: Target;
  /** Which of the binding's targets `target` is. Absent: `call` for a call, `other` for the rest. */
  readonly via?: keyof Targets;
  /** Our own id of this push, stable over its retries: the app and the service drop repeats by it. UUID. */
  readonly pushId: string;
  /** After this instant the push is useless: neither we nor the service try again. */
  readonly expiresAt: Instant;
  readonly sentAt: Instant;
  /** At most 64 bytes; a later push with the same id replaces the earlier one at the service. */
  readonly collapseId?: string;
}

export interface CallPush extends Common {
  readonly purpose: 'call';
  /** Also the INVITE's `X-Push-ID`. */
  readonly callId: string;
  /** The AOR the call is for, so that an app with several accounts knows which one to register. */
  readonly aor: string;
  /** Lets the app ask `GET /v1/calls/{callId}` whether the call still waits. Absent where there is no devices listener. */
  readonly callKey?: string;
  /** Only when the administrator turned `calls.showCaller` on. */
  readonly caller?: { readonly name?: string; readonly number?: string };
}

export interface CancelPush extends Common {
  readonly purpose: 'cancel';
  readonly callId: string;
  readonly aor: string;
  readonly word: ClosingWord;
}

export interface RefreshPush extends Common {
  readonly purpose: 'refresh';
  readonly aor: string;
  /** One of the last before the end: worth waking a phone that a quieter push would leave asleep. Default false. */
  readonly urgent?: boolean;
}

export interface NoticePush extends Common {
  readonly purpose: 'notice';
  readonly aor: string;
  /** `soon`, `expired` or `open`. */
  readonly notice: NoticeName;
  readonly title?: string;
  readonly body: string;
}

export interface MissedPush extends Common {
  readonly purpose: 'missed';
  readonly aor: string;
  /** Of the last of them. */
  readonly callId: string;
  /** Calls since the phone was heard of. */
  readonly count: number;
  readonly body: string;
  /** Who called last. Only when the administrator turned `calls.showCaller` on. */
  readonly caller?: { readonly name?: string; readonly number?: string };
}

/** A name and a number. Only when the administrator turned `calls.showCaller` on. */
export interface ShownCaller {
  readonly name?: string;
  readonly number?: string;
}

export interface MessagePush extends Common {
  readonly purpose: 'message';
  readonly aor: string;
  /** Texts that wait for this phone. */
  readonly count: number;
  readonly body: string;
  /** The last of them itself, in place of `body`. Only when the administrator turned `messages.showText` on. */
  readonly text?: string;
  /** Who sent the last of them. */
  readonly caller?: ShownCaller;
}

export interface VoicemailPush extends Common {
  readonly purpose: 'voicemail';
  readonly aor: string;
  /** New voice messages; 0: all were heard. */
  readonly count: number;
  /** Absent: the push is silent. */
  readonly body?: string;
  /** Who left the last of them. */
  readonly caller?: ShownCaller;
}

export interface CustomPush extends Common {
  readonly purpose: 'custom';
  readonly aor: string;
  /** Worth waking a phone that lies still. */
  readonly urgent: boolean;
  /** Absent: the push is silent. */
  readonly body?: string;
  readonly title?: string;
  /** For the app; never for the log. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export type PushRequest =
  | CallPush
  | CancelPush
  | RefreshPush
  | NoticePush
  | MissedPush
  | MessagePush
  | VoicemailPush
  | CustomPush;

/** What the service's answer means for us. Answers never throw. */
export type PushOutcome =
  /** The service took it. `id` is the service's own, where it gives one. */
  | { readonly kind: 'accepted'; readonly id?: string }
  /** The token is dead by a row of the verdict table that says so. `since`: the service knows it since then (APNs 410 `timestamp`). */
  | { readonly kind: 'tokenDead'; readonly reason: string; readonly since?: Instant }
  /**
   * Worth another try inside the push's own deadline. `scope: 'device'`: says nothing about the service as a whole.
   * `unsure`: it may have been delivered, and the service cannot drop a repeat; what the user sees is not sent for ever.
   */
  | {
      readonly kind: 'retryLater';
      readonly reason: string;
      readonly afterMs?: DurationMs;
      readonly scope?: 'device';
      readonly unsure?: true;
    }
  /**
   * Our topic, key, environment or project is wrong: alarm, keep every binding. `hint` says what to do.
   * `scope: 'device'`: other devices of the same app may be right.
   */
  | { readonly kind: 'misconfigured'; readonly reason: string; readonly hint: string; readonly scope?: 'device' }
  /** This push is lost, nothing follows from it (our bug, an unreadable answer). */
  | { readonly kind: 'failed'; readonly reason: string };

/** One row of a provider's verdict table: what it does with one answer of its service. `docs/push-services.md` shows them. */
export interface Verdict {
  /** HTTP status; absent: there was no answer that could be read. */
  readonly status?: number;
  /** The service's own word, ours where there was no answer, `*` for any other of this status. */
  readonly reason: string;
  readonly outcome: PushOutcome['kind'];
  readonly afterMs?: DurationMs;
  readonly scope?: 'device';
  /** `retryLater` only: it may have been delivered all the same, and a repeat would be seen twice. */
  readonly unsure?: true;
  /** What the administrator should do. Required for `misconfigured`. */
  readonly hint?: string;
  /** Why this outcome, and where that is known from. */
  readonly why: string;
}

/**
 * Says when the caller gives an attempt up; fires once. The part of an `AbortSignal` that a provider needs, and an `AbortSignal` is one.
 * Making and hearing a real one costs Node more than the rest of our own work on a push.
 */
export interface GiveUp {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** What a provider proves itself with. Its name, never itself. */
export interface Credential {
  /** For people: `certificate of com.example.phone`, `key ABC1234567`. */
  readonly name: string;
  /** Absent: it does not end, or does not say when. */
  readonly endsAt?: Instant;
}

export interface PushProvider {
  /** `apns`, `fcm`, …: the RFC 8599 value where there is one. */
  readonly name: string;
  /** How many pushes it bears in flight at once. Default 100. */
  readonly maxInFlight?: number;
  /** The proxy its pushes go through, `proxy.example.com:3128`; never with its login. Absent: none. */
  readonly proxy?: string;
  /** Whether a push of this purpose can be sent, and to which of the binding's targets it goes. */
  targetFor(purpose: PushPurpose, targets: Targets): Target | undefined;
  /** One attempt. Resolves with an outcome for every answer, also none (`retryLater`); aborts at once with `signal`. */
  send(request: PushRequest, signal: GiveUp): Promise<PushOutcome>;
  /** Opens connections that are not open, so that the next push need not wait for one. Called at start and every minute. */
  warm?(): void;
  /** Keys and certificates in use, so that pages and logs warn before one ends. */
  credentials?(): readonly Credential[];
  close(): Promise<void>;
}
