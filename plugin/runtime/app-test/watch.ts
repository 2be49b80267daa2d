/** What the PBX shows of one account while its app is measured: REGISTERs, log-outs, when each test call was seen. */
import type { Aor } from '../../core/aor.ts';
import type { RegistersSeen } from '../../core/app-test/index.ts';
import { type DurationMs, SECOND } from '../../core/time.ts';
import { callIdOf } from '../../core/wake.ts';
import { isRegister, type PbxEvent } from '../../ports/pbx-link.ts';

/** Two sensors report one REGISTER within this time. */
const SAME_REGISTER: DurationMs = 2 * SECOND;
const PUSH = /;\s*pn-(prid|provider|param)\s*=/i;
/** What a stranger may make it remember. */
const CONTACTS_AT_MOST = 500;

export class AccountWatch {
  readonly #aor: Aor;
  readonly #monotonicMs: () => number;
  /** Contacts that were there before the test: desk phones, which are not measured. */
  readonly #before: ReadonlySet<string>;
  readonly #reports: boolean;
  readonly #last = new Map<string, number>();
  readonly #seenMs = new Map<string, number>();
  #seen: RegistersSeen = NOTHING;
  #markMs = 0;

  constructor(
    aor: Aor,
    monotonicMs: () => number,
    o: { readonly before: readonly string[]; readonly reports: boolean },
  ) {
    this.#aor = aor;
    this.#monotonicMs = monotonicMs;
    this.#before = new Set(o.before);
    this.#reports = o.reports;
  }

  /** A step begins. */
  begin(): void {
    this.#seen = NOTHING;
    this.mark();
  }

  /** From now on the time of the first REGISTER counts. */
  mark(): void {
    this.#markMs = this.#monotonicMs();
    const { firstMs: _, ...rest } = this.#seen;
    this.#seen = rest;
  }

  get seen(): RegistersSeen {
    return this.#seen;
  }

  /** When the call reached us, on the monotonic clock. Undefined: it has not. */
  callSeenMs(callId: string): number | undefined {
    return this.#seenMs.get(callId);
  }

  heard(event: PbxEvent): void {
    const nowMs = this.#monotonicMs();
    switch (event.type) {
      case 'wakeLegArrived': {
        if (event.leg.aor !== this.#aor) return;
        const callId = callIdOf(event.pbx, event.leg.linkedId, event.leg.aor);
        if (this.#seenMs.size < CONTACTS_AT_MOST && !this.#seenMs.has(callId)) this.#seenMs.set(callId, nowMs);
        return;
      }
      case 'unregistered':
        if (event.aor === this.#aor) this.#seen = { ...this.#seen, loggedOut: this.#seen.loggedOut + 1 };
        return;
      case 'contactSeen': {
        const { contact, how, wire } = event;
        if (contact.aor !== this.#aor || !isRegister(how)) return;
        const last = this.#last.get(contact.uri);
        this.#last.set(contact.uri, nowMs);
        if (this.#last.size > CONTACTS_AT_MOST) this.#last.clear();
        if (last !== undefined && nowMs - last < SAME_REGISTER) return;
        const hasPush = this.#reports || PUSH.test(contact.uri) || PUSH.test(wire?.contact ?? '');
        if (!hasPush && this.#before.has(contact.uri)) return;
        const { withPush, withoutPush, firstMs } = this.#seen;
        this.#seen = {
          ...this.#seen,
          withPush: withPush + Number(hasPush),
          withoutPush: withoutPush + Number(!hasPush),
          firstMs: firstMs ?? Math.round(nowMs - this.#markMs),
        };
        return;
      }
      default:
        return;
    }
  }
}

const NOTHING: RegistersSeen = { withPush: 0, withoutPush: 0, loggedOut: 0 };
