/** A contact as it is dialled from this FreeSWITCH, or not at all: it may be a stranger's text, or an address of the PBX itself. */
import { aorUser } from '../../../../plugin/core/aor.ts';
import type { Logger } from '../../../../plugin/ports/adapter.ts';
import type { HeldContact } from '../../../../plugin/ports/pbx-link.ts';
import { CALM_DEADLINE } from '../deadlines.ts';
import type { Ask } from '../link.ts';
import type { FreeswitchOptions } from '../options.ts';
import { type Contacts, NEVER_DIALLED } from '../registrations/link.ts';
import { dialText, dialVia } from '../registrations/parse.ts';
import { ownAddresses } from '../registrations/xml-status.ts';

export interface ContactDialOptions {
  /** Name of the link. */
  readonly pbx: string;
  readonly options: Pick<FreeswitchOptions, 'profiles' | 'via'>;
  readonly contacts: Contacts;
  readonly ask: Ask;
  readonly log: Logger;
}

export class ContactDial {
  readonly #o: ContactDialOptions;
  #ownAddresses: ReadonlySet<string> = new Set();

  constructor(options: ContactDialOptions) {
    this.#o = options;
  }

  /** Learns the addresses of the profiles; a link that comes up may be that of another configuration. */
  async askAddresses(): Promise<void> {
    const { pbx, options, ask, log } = this.#o;
    try {
      const infos = options.profiles.map((profile) => ask<string>('profileInfo', { profile }, CALM_DEADLINE));
      this.#ownAddresses = new Set((await Promise.all(infos)).flatMap(ownAddresses));
    } catch (error) {
      log.warn({ pbx, reason: String(error) }, 'could not ask for the addresses of the profiles');
    }
  }

  /** Undefined, and a line in the log, for a contact that must not be dialled. */
  of(contact: HeldContact): string | undefined {
    const { pbx, options, contacts, log } = this.#o;
    const held = contacts.heldOf(contact);
    const dial = held
      ? dialText(held.row.profile, held.stored, this.#ownAddresses)
      : dialVia(options.via[contact.pbx], aorUser(contact.aor));
    if (dial.ok) return dial.text;
    log.warn({ pbx, aor: contact.aor, reason: dial.reason }, NEVER_DIALLED);
    return undefined;
  }
}
