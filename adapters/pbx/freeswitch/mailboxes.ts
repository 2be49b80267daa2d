/** Mailboxes of one FreeSWITCH: what they hold, and who left the last message, which FreeSWITCH says in two events. */
import { type Aor, aorOf, servesAor } from '../../../plugin/core/aor.ts';
import { BoundedMap, upTo } from '../../../plugin/core/bounded-map.ts';
import { type DurationMs, SECOND } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type { Caller, PbxEvent } from '../../../plugin/ports/pbx-link.ts';
import type { FsFact } from './facts.ts';
import type { FreeswitchOptions } from './options.ts';

/** The two events come one after the other. */
const SOON: DurationMs = 10 * SECOND;
const CALLERS = 1_000;

export interface MailboxesIo {
  readonly pbx: string;
  readonly realm: FreeswitchOptions['realm'];
  readonly clock: Clock;
  readonly say: (event: PbxEvent) => void;
}

export class Mailboxes {
  readonly #io: MailboxesIo;
  readonly #callers = new BoundedMap<Aor, { readonly caller: Caller; readonly atMs: number }>(upTo(CALLERS));

  constructor(io: MailboxesIo) {
    this.#io = io;
  }

  messageLeft({ user, caller }: Extract<FsFact, { fact: 'messageLeft' }>): void {
    const aor = this.#aor(user);
    if (aor) this.#callers.set(aor, { caller, atMs: this.#io.clock.monotonicMs() });
  }

  holds({ user, newMessages, urgent, why }: Extract<FsFact, { fact: 'mailbox' }>): void {
    const aor = this.#aor(user);
    if (!aor) return;
    const left = this.#callers.get(aor);
    this.#callers.delete(aor);
    const isOfNow = left !== undefined && this.#io.clock.monotonicMs() - left.atMs <= SOON;
    const { pbx } = this.#io;
    this.#io.say({
      type: 'voicemailChanged',
      pbx,
      aor,
      newMessages,
      urgent,
      why,
      ...(isOfNow && { caller: left.caller }),
    });
  }

  #aor(user: string): Aor | undefined {
    const [id = '', domain = ''] = user.split('@');
    const aor = aorOf(id, domain);
    const realms = [this.#io.realm].flat().join(' ');
    return aor && servesAor(realms, aor) ? aor : undefined;
  }
}
