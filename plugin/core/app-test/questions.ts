/** What the person at the phone is asked to do, and to look at. A question is asked so that the good answer may be "yes" or "no". */

/** `do`: the test goes on when it is confirmed. `now`: nothing is confirmed, the test sees it by itself. `ask`: yes or no. */
type Kind = 'do' | 'now' | 'ask';

interface Question {
  readonly kind: Kind;
  readonly text: string;
}

export const QUESTIONS = {
  ready: {
    kind: 'do',
    text: 'Lock the phone and leave the app in the background. Do not answer a call before you are asked to. Ready?',
  },
  'answer-now': { kind: 'now', text: 'The phone should ring: answer the call now.' },
  'one-screen': { kind: 'ask', text: 'Did the phone show this call exactly once?' },
  'silent-before': {
    kind: 'ask',
    text: 'The call is over. Is the phone silent, without an incoming call on its screen?',
  },
  'silent-after': { kind: 'ask', text: 'The caller hung up. Did the phone stop ringing within two seconds?' },
  'not-missed': {
    kind: 'ask',
    text: 'Somebody else took this call. Did the phone stop ringing, and is the call NOT shown as missed?',
  },
  offline: { kind: 'do', text: 'Switch the flight mode of the phone on. Done?' },
  online: { kind: 'do', text: 'Switch the flight mode off and wait ten seconds. Done?' },
  'silent-late': { kind: 'ask', text: 'That call was over long before. Did the phone stay silent?' },
  'one-screen-again': {
    kind: 'ask',
    text: 'The push for this call was sent twice. Did the phone show the call exactly once?',
  },
  'saw-nothing': { kind: 'ask', text: 'A silent push was sent. Was there nothing to see or hear on the phone?' },
  'saw-notice': {
    kind: 'ask',
    text: 'A notice was sent: did the phone show "This is a test of your telephone system"?',
  },
  'new-token': {
    kind: 'do',
    text: 'Give the app a new push token (a menu of the app, or delete it, install it and log in again) and open it once. Done? Answer no to leave this out.',
  },
  'log-out': { kind: 'do', text: 'Log the account out in the app (or remove it). Done? Answer no to leave this out.' },
  'log-in': { kind: 'do', text: 'Log in again. Done?' },
} as const satisfies Readonly<Record<string, Question>>;

export type QuestionName = keyof typeof QUESTIONS;
