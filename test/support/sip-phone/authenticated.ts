/** A request that may be challenged: sent again once with the digest answer (RFC 3261 §22.2). */
import { type Credentials, digestAnswer } from './digest.ts';
import type { HeaderLine, SipResponse } from './message.ts';
import type { RequestDraft, Sent, Wire } from './wire.ts';

/** Makes the request; called a second time, with a new CSeq and the credentials, after a challenge. */
export type DraftOf = (credentials: readonly HeaderLine[]) => RequestDraft;

export interface AuthenticatedRequest {
  /** The request that is out now: the one to cancel. */
  readonly latest: Sent;
}

/** Sends and hears every response but the first challenge. A second challenge is an answer: the password is wrong. */
export function sendAuthenticated(
  wire: Wire,
  credentials: Credentials,
  draftOf: DraftOf,
  onResponse: (response: SipResponse, at: number) => void,
): AuthenticatedRequest {
  let challenged = false;
  const state: { latest: Sent } = {
    latest: wire.request(draftOf([]), (response, at) => {
      const challenge = challengeOf(response);
      if (!challenge) return onResponse(response, at);
      // A repeated 401 to the first request is no news.
      if (challenged) return;
      challenged = true;
      const plain = state.latest.request;
      const answer = digestAnswer({ ...credentials, method: plain.method, uri: plain.uri, challenge: challenge.value });
      state.latest = wire.request(draftOf([[challenge.answerHeader, answer]]), onResponse);
    }),
  };
  return state;
}

function challengeOf(response: SipResponse): { value: string; answerHeader: string } | undefined {
  const [name, answerHeader] =
    response.status === 401 ? ['WWW-Authenticate', 'Authorization'] : ['Proxy-Authenticate', 'Proxy-Authorization'];
  if (response.status !== 401 && response.status !== 407) return undefined;
  const value = response.headers.get(name!);
  return value === undefined ? undefined : { value, answerHeader: answerHeader! };
}
