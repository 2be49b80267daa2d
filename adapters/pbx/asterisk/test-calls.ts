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
/** What follows our prefix: `pushwake` must not take a channel of `pushwake-b` for its own, nor the dialplan's half of a Local channel (`;2`). */
const CALL_ID = /^[0-9a-f]+$/;
/** A name that a dial string takes unescaped. */
const ENDPOINT = /^[0-9A-Za-z._~+*#-]{1,128}$/;

export class TestCalls {
  readonly #app: string;
  readonly #prefix: string;
  readonly #call: CallsIo['call'];

  constructor(app: string, call: CallsIo['call']) {
    this.#app = app;
    // Two nodes beside one Asterisk must not end each other's.
    this.#prefix = `app-test-${app}-`;
    this.#call = call;
  }

  async place({ id, caller, ringMs }: TestCall, endpoint: string): Promise<string> {
    if (!ENDPOINT.test(endpoint)) throw new LinkError('the name of this account cannot be dialled by its endpoint');
    const channelId = `${this.#prefix}${id}`;
    await this.#call(
      'originate',
      {
        channelId,
        endpoint: `Local/${endpoint}@pushwake/n`,
        variables: { 'TIMEOUT(absolute)': String(LASTS_AT_MOST_SECONDS) },
        appArgs: `test,${id}`,
        seconds: Math.ceil(ringMs / 1_000),
        callerId: `"${caller.name}" <${caller.number}>`,
      },
      CALL_DEADLINE,
    );
    return channelId;
  }

  async end(id: string, how: TestCallEnd): Promise<void> {
    await this.#hangUp(`${this.#prefix}${id}`, how);
    // A phone that has answered takes the place of our channel (ADR 0020), with an id of its own.
    const channels = await this.#call<unknown[]>('waitingChannels', {}, CALL_DEADLINE);
    for (const channel of channels) if (this.#callOf(channel) === id) await this.#hangUp(idOf(channel), how);
  }

  /** Of a test that ended with its pushwake, or with its link. */
  endLeftOvers(channels: readonly unknown[]): void {
    for (const channel of channels) {
      const id = idOf(channel);
      const isOurs = id.startsWith(this.#prefix) && CALL_ID.test(id.slice(this.#prefix.length));
      if (isOurs || this.#callOf(channel) !== undefined) this.#hangUp(id, 'cancelled').catch(() => undefined);
    }
  }

  async #hangUp(channelId: string, how: TestCallEnd): Promise<void> {
    await this.#call('hangup', { channelId, cause: CAUSE[how] }, CALL_DEADLINE);
  }

  /** Which test call waits in our application on this channel. */
  #callOf(channel: unknown): string | undefined {
    const { dialplan } = channel as { dialplan?: { app_name?: unknown; app_data?: unknown } };
    const data = dialplan?.app_name === 'Stasis' ? String(dialplan.app_data) : '';
    const start = `${this.#app},test,`;
    return data.startsWith(start) ? data.slice(start.length) : undefined;
  }
}

function idOf(channel: unknown): string {
  const { id } = channel as { id?: unknown };
  return typeof id === 'string' ? id : '';
}
