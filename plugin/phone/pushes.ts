/** What a push means here: which notification is shown, which goes. Pure; docs/app-payloads.md says what a push holds. */

import type { Words } from './languages.ts';
import type { PastCall } from './types.ts';

export interface Push {
  readonly type: string;
  readonly pushId: string;
  readonly aor: string;
  readonly expiresAt: number;
  readonly callId?: string;
  readonly callKey?: string;
  readonly caller?: { readonly name?: string; readonly number?: string };
  readonly ended?: 'elsewhere' | 'cancelled' | 'gave-up' | 'declined';
  readonly notice?: string;
  readonly count?: number;
  /** The words that pushwake has for it, in the language of the device. */
  readonly body?: string;
}

export interface Shown {
  readonly tag: string;
  readonly title: string;
  readonly body: string;
  /** Answer and decline; it stays until somebody does. */
  readonly rings?: boolean;
  readonly silent?: boolean;
  /** Part of the page's address that a tap opens. */
  readonly opens: string;
}

export interface Decision {
  readonly show?: Shown;
  /** Tags of notifications that go. */
  readonly close?: readonly string[];
  readonly past?: PastCall;
  readonly register?: true;
}

/** Undefined: it is none of ours. */
export function readPush(text: string | undefined): Push | undefined {
  try {
    const { pushwake, notification } = JSON.parse(text ?? '');
    if (typeof pushwake?.type !== 'string' || typeof pushwake.pushId !== 'string') return undefined;
    return { ...pushwake, ...(typeof notification?.body === 'string' ? { body: notification.body } : {}) };
  } catch {
    return undefined;
  }
}

export function callerOf(push: Pick<Push, 'caller'>): string | undefined {
  return push.caller?.name || push.caller?.number || undefined;
}

/**
 * `known`: what was heard of its call: that it is over, or that another push has shown it already. A browser demands that each push shows something,
 * so what needs nothing is said in a quiet line.
 */
export function decide(push: Push, now: number, known: { over: boolean; shown: boolean }, words: Words): Decision {
  const { callId = '', type, body } = push;
  const from = callerOf(push);
  const text = body ?? String(push.count ?? 1);
  const shown = (tag: string, title: string, said: string, more: Partial<Shown> = {}): Shown => {
    return { tag, title, body: said, opens: '', ...more };
  };
  const quiet = (said: string) => shown('quiet', words.phone, said, { silent: true });
  const over = (show: Shown, how: PastCall['how']): Decision => {
    return { show, close: [callId], past: { id: callId, at: now, with: from, how } };
  };
  const missed = () => over(shown('missed', words.missedCall, from ?? push.aor, { silent: true }), 'missed');
  switch (type) {
    case 'call': {
      if (known.over || now >= push.expiresAt) return missed();
      const rings = { rings: true, silent: known.shown, opens: `open=${callId}` };
      return { show: shown(callId, words.incomingCall, from ?? push.aor, rings) };
    }
    case 'cancel':
      return push.ended === 'elsewhere' || push.ended === 'declined'
        ? over(quiet(words.elsewhere), 'elsewhere')
        : missed();
    case 'refresh':
      return { show: quiet(words.stillReachable), register: true };
    case 'notice':
      return { show: shown('notice', words.phone, body ?? words.openMe), register: true };
    case 'missed':
      return { show: shown('missed', words.missedCall, text) };
    case 'message':
      return { show: shown('message', words.message, text) };
    case 'voicemail':
      if (push.count === 0) return { show: quiet(words.heard), close: ['voicemail'] };
      return { show: shown('voicemail', words.voicemail, text) };
    default:
      return { show: quiet(body ?? words.phone) };
  }
}
