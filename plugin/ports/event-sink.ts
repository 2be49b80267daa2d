/** A receiver of events: a CRM, a mail gateway. Makes one attempt; queue and retry lie outside. */

/**
 * `missed`: a call for which phones were pushed ended unanswered. `woken`: a phone registered for a call. `troubled`: a device does
 * not come for calls as it should. `recovered`: it does again.
 * `text-expired`: a SIP MESSAGE for a sleeping phone that nobody fetched.
 */
export type EventName =
  | 'bound'
  | 'renewed'
  | 'warned'
  | 'ended'
  | 'woken'
  | 'missed'
  | 'troubled'
  | 'recovered'
  | 'text-expired';

/** Tokens only as fingerprints; never who calls. */
export interface OutEvent {
  /** The same for every attempt: receivers drop repeats by it. */
  readonly id: string;
  readonly type: EventName;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly aor: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventSink {
  readonly name: string;
  wants(type: EventName): boolean;
  /** `later`: worth another try. `refused`: never for this event. Answers never throw; aborts at once with `signal`. */
  send(event: OutEvent, signal: AbortSignal): Promise<'taken' | 'later' | 'refused'>;
  close(): Promise<void>;
}
