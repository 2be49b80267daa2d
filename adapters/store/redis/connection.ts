/**
 * The connection: one node-redis client, for Keyv and for the scripts. Its options make an outage an error within two
 * seconds: no queue for what cannot be sent (it would run late, and delete what has come since), a socket that is given
 * up when nothing comes back, pings that notice. It reconnects by itself, for ever.
 */
import { createClient, createCluster } from '@keyv/redis';
import type { DurationMs } from '../../../plugin/core/time.ts';
import { SECOND } from '../../../plugin/core/time.ts';
import type { RedisOptions } from './options.ts';

/** No operation takes longer than this, whatever the client thinks. */
export const ANSWER_WITHIN: DurationMs = 2 * SECOND;
const RECONNECT_MAX: DurationMs = 1 * SECOND;

interface ScriptArguments {
  readonly keys: string[];
  readonly arguments: string[];
}

/** What is used of it; the client of a cluster sends each command to the node that holds its first key. */
export interface RedisCommands {
  evalSha(sha: string, options: ScriptArguments): Promise<unknown>;
  eval(text: string, options: ScriptArguments): Promise<unknown>;
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { NX: true } | { PX: number }): Promise<unknown>;
  watch(keys: string[]): Promise<unknown>;
  unwatch(): Promise<unknown>;
  mGet(keys: string[]): Promise<(string | null)[]>;
  getRange(key: string, first: number, last: number): Promise<string>;
  multi(): Transaction;
  publish(channel: string, message: string): Promise<unknown>;
  zCount(key: string, min: number | string, max: number | string): Promise<number>;
  zScan(
    key: string,
    cursor: string,
    options: { COUNT: number },
  ): Promise<{ cursor: string; members: { value: string }[] }>;
}

/** Rejects with a `WatchError` when what was watched has changed; then nothing of it was done. */
export interface Transaction {
  addCommand(args: string[]): unknown;
  exec(): Promise<unknown>;
}

export type Client = ReturnType<typeof createClient> | ReturnType<typeof createCluster>;

export function clientFor(options: RedisOptions): Client {
  const common = {
    disableOfflineQueue: true,
    pingInterval: 1 * SECOND,
    socket: {
      connectTimeout: 1 * SECOND,
      socketTimeout: ANSWER_WITHIN,
      reconnectStrategy: (tries: number) => Math.min(50 * 2 ** Math.min(tries, 10), RECONNECT_MAX),
    },
  };
  if (options.cluster) {
    const [first = ''] = options.cluster;
    const { username, password } = new URL(first);
    const secret = {
      ...(username ? { username: decodeURIComponent(username) } : {}),
      ...(password ? { password: decodeURIComponent(password) } : {}),
    };
    return createCluster({ rootNodes: options.cluster.map((url) => ({ url })), defaults: { ...common, ...secret } });
  }
  return createClient({ url: options.url ?? '', ...common });
}
