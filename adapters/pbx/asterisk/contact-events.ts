/**
 * How the link hears of contacts without taking anybody's text messages. Asterisk hands each subscriber of an endpoint its SIP MESSAGEs
 * as well: to a text that nobody takes it then answers 202 in place of 404, also while the subscriber is away. Neither an event filter nor
 * a single endpoint changes that (ADR 0060), so:
 *
 * - an application of its own subscribes to all endpoints, and unsubscribes at once. Asterisk 16 to 23 gives the texts back with that, and
 *   goes on sending what becomes of contacts until the application is destroyed;
 * - a bridge without channels keeps that application alive. Asterisk frees an application whose websocket has closed while a REGISTER is
 *   still on its way to it, and dies of that: after 13 closed websockets amid 200 REGISTERs a second.
 */
import type { RestRequest } from './rest.ts';

export interface Asking {
  /** Asks Asterisk. A status that is neither success nor one of `fine` rejects. */
  readonly ask: (r: RestRequest, fine?: readonly number[]) => Promise<{ readonly ok: boolean; readonly body: unknown }>;
  /** Requests made one after the other are carried out in that order, without waiting for the answers. */
  readonly keepsOrder: boolean;
}

/** `quiet`: texts stay where they are without us. Otherwise why Asterisk takes them for ours while we are connected. */
export type ContactEvents = { readonly texts: 'quiet' } | { readonly texts: 'taken'; readonly reason: string };

/** As Asterisk itself calls the subscription `endpoint:`. By its short name it cannot be taken back. */
const EVERY_ENDPOINT = 'endpoint:__AST_ENDPOINT_ALL_TOPIC';
/** A subscription counts how often it was made; this many connections without a restart of Asterisk are not to be expected. */
const MADE_AT_MOST = 100_000;
/** 404: no such application; 422: not subscribed. */
const NOT_SUBSCRIBED = [404, 422];

export const contactsAppOf = (app: string): string => `${app}-contacts`;

const subscription = (app: string) => `applications/${encodeURIComponent(app)}/subscription`;

/** Called once both applications are registered. */
export async function hearContacts(asking: Asking, app: string): Promise<ContactEvents> {
  await forgetEarlierVersion(asking, app);
  try {
    return await hearQuietly(asking, contactsAppOf(app));
  } catch (error) {
    await hearAndTakeTexts(asking, app);
    return { texts: 'taken', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** What versions before did: each text that nobody takes is ours. For an Asterisk that does not go on sending. */
export async function hearAndTakeTexts({ ask }: Asking, app: string): Promise<void> {
  await ask({ method: 'POST', path: subscription(app), query: { eventSource: 'endpoint:PJSIP' } });
}

/** Its subscription outlives it, and would until Asterisk is started anew. */
async function forgetEarlierVersion({ ask }: Asking, app: string): Promise<void> {
  const query = { eventSource: 'endpoint:PJSIP' };
  for (let i = 0; i < MADE_AT_MOST; i++) {
    if (!(await ask({ method: 'DELETE', path: subscription(app), query }, NOT_SUBSCRIBED)).ok) return;
  }
}

interface Application {
  readonly bridge_ids: readonly string[];
  readonly events_allowed: readonly unknown[];
}

async function hearQuietly({ ask, keepsOrder }: Asking, app: string): Promise<ContactEvents> {
  const path = `applications/${encodeURIComponent(app)}`;
  const there = (await ask({ method: 'GET', path })).body as Application;
  if (!there.bridge_ids.includes(app)) {
    await ask({ method: 'POST', path: `bridges/${encodeURIComponent(app)}` });
    await ask({ method: 'POST', path: subscription(app), query: { eventSource: `bridge:${app}` } });
  }
  // The filter is set last: an application that has one still hears, and would hear everything twice if it were subscribed again.
  if (there.events_allowed.length > 0) return { texts: 'quiet' };
  const subscribed = ask({ method: 'POST', path: subscription(app), query: { eventSource: 'endpoint:' } });
  // A text that comes between the two is taken: on one websocket that is a fraction of a millisecond.
  if (!keepsOrder) await subscribed;
  const query = { eventSource: EVERY_ENDPOINT };
  const givenBack = ask({ method: 'DELETE', path: subscription(app), query }, NOT_SUBSCRIBED);
  const [, { ok }] = await Promise.all([subscribed, givenBack]);
  await ask({ method: 'PUT', path: `${path}/eventFilter`, body: { allowed: [{ type: 'ContactStatusChange' }] } });
  return ok ? { texts: 'quiet' } : { texts: 'taken', reason: `this Asterisk does not know ${EVERY_ENDPOINT}` };
}
