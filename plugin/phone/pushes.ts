/** What a push means here: which notification is shown, which goes. Pure; docs/app-payloads.md says what a push holds. */
import type { PastCall } from './types.ts';
import { count, type Words } from './words.ts';

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
export function decide(
  push: Push,
  now: number,
  known: { readonly over: boolean; readonly shown: boolean },
  words: Words,
): Decision {
  const { callId = '', type } = push;
  const from = callerOf(push);
  const quiet = (body: string): Shown => ({ tag: 'quiet', title: words.phone, body, silent: true, opens: '' });
  const missed = (): Decision => ({
    show: { tag: 'missed', title: words.missedCall, body: from ?? push.aor, silent: true, opens: 'list' },
    close: [callId],
    past: { id: callId, at: now, with: from, how: 'missed' },
  });
  switch (type) {
    case 'call':
      if (known.over || now >= push.expiresAt) return missed();
      return {
        show: {
          tag: callId,
          title: words.incomingCall,
          body: from ?? push.aor,
          rings: true,
          silent: known.shown,
          opens: `open=${callId}`,
        },
      };
    case 'cancel':
      if (push.ended !== 'elsewhere' && push.ended !== 'declined') return missed();
      return {
        show: quiet(words.elsewhere),
        close: [callId],
        past: { id: callId, at: now, with: from, how: 'elsewhere' },
      };
    case 'refresh':
      return { show: quiet(words.stillReachable), register: true };
    case 'notice':
      return {
        show: { tag: 'notice', title: words.phone, body: push.body ?? words.openMe, opens: '' },
        register: true,
      };
    case 'missed':
      return {
        show: { tag: 'missed', title: words.missedCall, body: push.body ?? count(push.count), opens: 'list' },
      };
    case 'message':
      return {
        show: { tag: 'message', title: words.message, body: push.body ?? count(push.count), opens: 'texts' },
      };
    case 'voicemail':
      if (push.count === 0) return { show: quiet(words.heard), close: ['voicemail'] };
      return { show: { tag: 'voicemail', title: words.voicemail, body: push.body ?? count(push.count), opens: '' } };
    default:
      return { show: quiet(push.body ?? words.phone) };
  }
}
