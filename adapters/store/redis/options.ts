/** Options of `store` with `type: redis`. */
import { z } from 'zod';

const url = z
  .string()
  .regex(/^rediss?:\/\/\S+$/, 'expected a URL such as redis://:password@127.0.0.1:6379/0, rediss:// for TLS');

export const optionsSchema = z
  .strictObject({
    /** One server, or the primary of several. */
    url: url.optional(),
    /** Redis Cluster: a few of its nodes; the others are found through them. */
    cluster: z.array(url).min(1).optional(),
    /** Keys begin with it. Two sites on one Redis need two. */
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,32}$/, 'expected a short name of letters, digits, ".", "-" or "_"')
      .default('pushwake'),
  })
  .refine((o) => (o.url === undefined) !== (o.cluster === undefined), 'expected either `url` or `cluster`');

export type RedisOptions = z.output<typeof optionsSchema>;

/** Host and port only: a URL may hold a password. */
export function whereOf(options: RedisOptions): string {
  return (options.cluster ?? [options.url ?? '']).map((u) => new URL(u).host).join(', ');
}
