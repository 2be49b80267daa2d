/**
 * Calls that `pushwake app-test` places: a channel that is nobody's (mod_loopback's `null`) goes into the shipped dialplan as a caller would.
 * FreeSWITCH ends it by itself when we are gone: at the ring time, and an answered one after an absolute time.
 */
import { createHash } from 'node:crypto';
import { LinkError, type TestCall, type TestCallEnd } from '../../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE } from '../deadlines.ts';
import type { Ask } from '../link.ts';

/** As a fork ends the leg that loses, and one whose caller has gone. */
const CAUSE: Readonly<Record<TestCallEnd, string>> = { elsewhere: 'LOSE_RACE', cancelled: 'ORIGINATOR_CANCEL' };
/** An answered test call lasts a few seconds; this is for one that nobody ends any more. */
const LASTS_AT_MOST_SECONDS = 120;
/** How the ids of its channels begin: FreeSWITCH wants the form of a UUID. */
const MARK = 'a99c7e57-';
/** What the shipped dialplan takes for an account. */
const ACCOUNT = /^[0-9A-Za-z._~+-]{1,128}@[0-9A-Za-z.-]{1,253}$/;

export class TestCalls {
  readonly #ask: Ask;
  /** Two nodes beside one FreeSWITCH must not end each other's. */
  readonly #node: string;

  constructor(node: string, ask: Ask) {
    this.#ask = ask;
    this.#node = createHash('sha256').update(node).digest('hex').slice(0, 6);
  }

  async place({ id, aor, caller, ringMs }: TestCall): Promise<string> {
    if (!ACCOUNT.test(aor)) throw new LinkError('the name of this account cannot be dialled');
    const uuid = this.#uuid(id);
    const variables = [
      `origination_uuid=${uuid}`,
      // A channel that was originated is a callee for FreeSWITCH, and calls on as that.
      ...['caller', 'callee'].flatMap((who) => [
        `origination_${who}_id_name='${caller.name}'`,
        `origination_${who}_id_number=${caller.number}`,
      ]),
      `call_timeout=${Math.ceil(ringMs / 1_000)}`,
      'hangup_after_bridge=true',
      // Its channel knows linear sound alone, which a phone refuses with 488: the phone is offered the profile's codecs as well.
      'media_mix_inbound_outbound_codecs=true',
      'export_vars=media_mix_inbound_outbound_codecs',
      `execute_on_originate='sched_hangup +${LASTS_AT_MOST_SECONDS}'`,
    ];
    const command = `originate {${variables.join(',')}}null/app-test ${aor} XML pushwake`;
    await this.#ask('originate', { uuid, command }, CALL_DEADLINE);
    return uuid;
  }

  async end(id: string, how: TestCallEnd): Promise<void> {
    await this.#ask('kill', { uuid: this.#uuid(id), cause: CAUSE[how] }, CALL_DEADLINE);
  }

  /** Of a test that ended with its pushwake, or with its link. */
  async endLeftOvers(): Promise<void> {
    const { rows = [] } = await this.#ask<{ rows?: readonly { uuid?: unknown }[] }>('channels', {}, CALL_DEADLINE);
    for (const { uuid } of rows) {
      if (typeof uuid !== 'string' || !uuid.startsWith(MARK) || !uuid.endsWith(this.#node)) continue;
      await this.#ask('kill', { uuid, cause: CAUSE.cancelled }, CALL_DEADLINE);
    }
  }

  #uuid(id: string): string {
    const h = createHash('sha256').update(id).digest('hex');
    return `${MARK}${h.slice(0, 4)}-4${h.slice(4, 7)}-8${h.slice(7, 10)}-${h.slice(10, 16)}${this.#node}`;
  }
}
