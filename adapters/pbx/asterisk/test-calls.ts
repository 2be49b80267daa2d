/**
 * Calls that `pushwake app-test` places: a Local channel into the shipped dialplan, as an extension would dial it. Its own end waits in our
 * Stasis application once the phone has answered. Asterisk ends it by itself when we are gone: at the ring time, and after an absolute one.
 */
import { LinkError, type TestCall, type TestCallEnd } from '../../../plugin/ports/pbx-link.ts';
import type { CallsIo } from './calls.ts';
import { CALL_DEADLINE } from './deadlines.ts';

/** Q.850, as a fork gives them to the leg that loses and to one whose caller has gone. */
const CAUSE: Readonly<Record<TestCallEnd, number>> = { elsewhere: 26, cancelled: 127 };
/** An answered test call lasts a few seconds; this is for one that nobody ends any more. */
const LASTS_AT_MOST_SECONDS = 120;
/** A name that a dial string takes unescaped. */
const ENDPOINT = /^[0-9A-Za-z._~+*#-]{1,128}$/;

export class TestCalls {
  readonly #prefix: string;
  readonly #call: CallsIo['call'];

  constructor(app: string, call: CallsIo['call']) {
    // Two nodes beside one Asterisk must not end each other's.
    this.#prefix = `app-test-${app}-`;
    this.#call = call;
  }

  async place({ id, ringMs }: TestCall, endpoint: string): Promise<string> {
    if (!ENDPOINT.test(endpoint)) throw new LinkError('the name of this account cannot be dialled by its endpoint');
    const channelId = `${this.#prefix}${id}`;
    await this.#call(
      'originate',
      {
        channelId,
        endpoint: `Local/${endpoint}@pushwake/n`,
        variables: { 'TIMEOUT(absolute)': String(LASTS_AT_MOST_SECONDS) },
        appArgs: 'test',
        seconds: Math.ceil(ringMs / 1_000),
      },
      CALL_DEADLINE,
    );
    return channelId;
  }

  async end(id: string, how: TestCallEnd): Promise<void> {
    await this.#call('hangup', { channelId: `${this.#prefix}${id}`, cause: CAUSE[how] }, CALL_DEADLINE);
  }

  /** Of a test that ended with its pushwake, or with its link. */
  endLeftOvers(channels: readonly unknown[]): void {
    for (const channel of channels) {
      const { id } = channel as { id?: unknown };
      if (typeof id !== 'string' || !id.startsWith(this.#prefix) || id.endsWith(';2')) continue;
      this.#call('hangup', { channelId: id, cause: CAUSE.cancelled }, CALL_DEADLINE).catch(() => undefined);
    }
  }
}
