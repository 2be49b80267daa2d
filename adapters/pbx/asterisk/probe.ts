/**
 * How `check` looks into Asterisk: single questions to ARI, and a channel that exists for a moment, is never dialled and runs
 * no dialplan. On it Asterisk evaluates functions, which shows the dialplan's contexts and single settings of files that ARI
 * has no question for.
 */
import { randomUUID } from 'node:crypto';
import type { DurationMs } from '../../../plugin/core/time.ts';
import type { ReachedOptions } from './options.ts';

export interface AriAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface ProbeChannel {
  /** The value of a dialplan function or variable; undefined: it cannot be read. */
  read(expression: string): Promise<string | undefined>;
}

const PROBE_APP = 'pushwake-check';
/** A look costs a few milliseconds, and the second is nearly always enough. */
const TRIES = 20;

export class AriProbe {
  readonly #base: string;
  readonly #authorization: string;
  readonly #timeoutMs: DurationMs;

  constructor({ url, username, password }: ReachedOptions, timeoutMs: DurationMs) {
    this.#base = `${url.replace(/\/$/, '')}/ari/`;
    this.#authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects when there is no answer; the error's `code` says why. */
  async ask(method: 'GET' | 'POST' | 'DELETE', path: string): Promise<AriAnswer> {
    const answer = await fetch(`${this.#base}${path}`, {
      method,
      headers: { authorization: this.#authorization },
      redirect: 'manual',
      signal: AbortSignal.timeout(this.#timeoutMs),
    });
    const text = await answer.text();
    try {
      return { status: answer.status, body: JSON.parse(text) };
    } catch {
      return { status: answer.status, body: undefined };
    }
  }

  /** Attributes of a res_pjsip object; undefined: there is none, or it cannot be read. */
  async pjsip(type: string, id: string): Promise<ReadonlyMap<string, string> | undefined> {
    const { status, body } = await this.ask(
      'GET',
      `asterisk/config/dynamic/res_pjsip/${type}/${encodeURIComponent(id)}`,
    );
    if (status !== 200 || !Array.isArray(body)) return undefined;
    return new Map(body.map(({ attribute, value }: { attribute: string; value: string }) => [attribute, value]));
  }

  /** Undefined: no channel could be had. */
  async withChannel<T>(use: (channel: ProbeChannel) => Promise<T>): Promise<T | undefined> {
    const app = `${PROBE_APP}-${randomUUID().slice(0, 8)}`;
    const socket = await this.#events(app);
    if (!socket) return undefined;
    try {
      const ids = { channelId: `${app}-1`, otherChannelId: `${app}-2` };
      const query = new URLSearchParams({ endpoint: `Local/s@${PROBE_APP}/n`, app, ...ids });
      const made = await this.ask('POST', `channels/create?${query.toString()}`);
      if (made.status !== 200) return undefined;
      try {
        // One after the other: of two AST_CONFIG at once after a change of the file, one answers from before it.
        let last: Promise<unknown> = Promise.resolve();
        const read = (expression: string): Promise<string | undefined> => {
          const answer = last.then(() => readNow(expression));
          last = answer.catch(() => undefined);
          return answer;
        };
        const readNow = async (expression: string): Promise<string | undefined> => {
          const path = `channels/${ids.channelId}/variable?variable=${encodeURIComponent(expression)}`;
          const { status, body } = await this.ask('GET', path);
          const value = (body as { value?: unknown } | undefined)?.value;
          return status === 200 && typeof value === 'string' ? value : undefined;
        };
        // Without app_stasis it ends, now or in a moment, and every answer from then on would read as "not there".
        const isThere = async () => (await read('CHANNEL(name)')) !== undefined;
        if (!(await isThere())) return undefined;
        const seen = await use({ read });
        return (await isThere()) ? seen : undefined;
      } finally {
        await this.ask('DELETE', `channels/${ids.channelId}`).catch(() => undefined);
      }
    } finally {
      await this.#closed(socket);
      await this.#forgotten(app);
    }
  }

  /**
   * Where the channel was still on its way out when the socket closed, Asterisk keeps the application until it next looks. It looks
   * when a socket of it closes.
   */
  async #forgotten(app: string): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const answer = await this.ask('GET', `applications/${app}`).catch(() => undefined);
      if (answer?.status !== 200) return;
      const again = await this.#events(app);
      if (!again) return;
      await this.#closed(again);
    }
  }

  /** Asterisk forgets the application when the socket has closed, not when we ask for it. */
  #closed(socket: WebSocket): Promise<void> {
    return new Promise((resolve) => {
      socket.addEventListener('close', () => resolve());
      AbortSignal.timeout(this.#timeoutMs).addEventListener('abort', () => resolve());
      socket.close();
    });
  }

  /** The events' websocket: a Stasis application must be there before a channel can be in it. */
  #events(app: string): Promise<WebSocket | undefined> {
    const url = `${this.#base.replace(/^http/, 'ws')}events?app=${app}`;
    const socket = new WebSocket(url, { headers: { authorization: this.#authorization } } as never);
    return new Promise((resolve) => {
      const late = AbortSignal.timeout(this.#timeoutMs);
      const give = (result: WebSocket | undefined) => () => resolve(result);
      socket.addEventListener('open', give(socket));
      socket.addEventListener('error', give(undefined));
      late.addEventListener('abort', () => {
        resolve(undefined);
        if (socket.readyState !== WebSocket.OPEN) socket.close();
      });
    });
  }
}
