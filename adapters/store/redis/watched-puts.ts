/**
 * Many records written in one transaction of Redis' own commands: their keys are watched, the versions they begin with are read, and
 * those that fit go in one MULTI. A script does the same in one step, but Lua takes each row over and hands it back, which costs Redis
 * more than storing it (ADR 0132). One group at a time, since what is watched belongs to the connection. Knows nothing of records.
 */
import type { DurationMs } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import { ANSWER_WITHIN, type RedisCommands } from './connection.ts';

/** One row that is to be written. */
export interface Put {
  readonly key: string;
  /** What the stored row must begin with; '': there must be none. */
  readonly head: string;
  readonly row: string;
  /** Its schedule, its member there, and when it is due (`+inf`: never). */
  readonly due: string;
  readonly aor: string;
  readonly dueAt: string;
}

/** 1: stored. 0: somebody else was first. An error is of this one alone. */
export type PutAnswer = number | Error;

/** What others wrote between our look and our transaction is looked at once more, then the script decides. */
const TRIES = 2;

export class WatchedPuts {
  readonly #clock: Clock;
  readonly #commands: () => RedisCommands;
  /** Ends when the group before has ended. Never rejects. */
  #before: Promise<unknown> = Promise.resolve();
  #probed = false;
  #refused = false;

  constructor(clock: Clock, commands: () => RedisCommands) {
    this.#clock = clock;
    this.#commands = commands;
  }

  /** Undefined: nothing was written, and the script is to do it. Rejects when it is not known what was written. */
  put(all: readonly Put[]): Promise<readonly PutAnswer[] | undefined> {
    if (this.#refused) return Promise.resolve(undefined);
    const commands = this.#commands();
    const untilMs = this.#clock.monotonicMs() + ANSWER_WITHIN;
    const done = this.#before.then(() => this.#tryAll(commands, all, untilMs));
    this.#before = done.catch(() => undefined);
    return done;
  }

  async #tryAll(
    commands: RedisCommands,
    all: readonly Put[],
    untilMs: DurationMs,
  ): Promise<readonly PutAnswer[] | undefined> {
    for (let tries = 0; tries < TRIES; tries++) {
      // Nobody waits for it any more: it must not be written late.
      if (this.#clock.monotonicMs() > untilMs) throw new Error('timed out');
      try {
        if (!this.#probed) await this.#probe(commands);
        const answers = await tryOnce(commands, all);
        if (answers) return answers;
      } catch (error) {
        if (!isReply(error)) throw error;
        // A user without +@transaction: so it stays. Whatever else Redis refuses, the script says of each record.
        if (/^NOPERM|^ERR unknown command/.test(error.message)) this.#refused = true;
        return undefined;
      }
    }
    return undefined;
  }

  /** Where MULTI is refused and WATCH is not, what belongs into the transaction would be carried out at once, unwatched. */
  async #probe(commands: RedisCommands): Promise<void> {
    const transaction = commands.multi();
    transaction.addCommand(['PING']);
    await transaction.exec();
    this.#probed = true;
  }
}

/** Undefined: a key was changed in between, and nothing was written. */
async function tryOnce(commands: RedisCommands, all: readonly Put[]): Promise<readonly PutAnswer[] | undefined> {
  const keys = all.map(({ key }) => key);
  // Sent before either is awaited: one packet. Whole rows, because a hundred commands for a hundred heads cost more, here and there.
  const [, rows] = await Promise.all([commands.watch([...new Set(keys)]), commands.mGet(keys)]);
  const absent = await lookAtAbsent(commands, all, rows);
  // A key can be written once in a transaction: of several that want it, the first whose version fits.
  const firsts = new Map<string, number>();
  const answers = all.map(({ key, head }, i): PutAnswer => {
    const row = rows[i] ?? absent.get(key) ?? '';
    if (row instanceof Error) return row;
    const fits = head === '' ? row === '' : row.startsWith(head);
    if (!fits || firsts.has(key)) return 0;
    firsts.set(key, i);
    return 1;
  });
  const fitting = [...firsts.values()];
  if (fitting.length === 0) {
    await commands.unwatch();
    return answers;
  }
  const schedules = [...Map.groupBy(fitting, (i) => (all[i] as Put).due)];
  const transaction = commands.multi();
  transaction.addCommand([
    'MSET',
    ...fitting.flatMap((i) => {
      const { key, row } = all[i] as Put;
      return [key, row];
    }),
  ]);
  for (const [due, some] of schedules) {
    const members = some.flatMap((i) => {
      const { dueAt, aor } = all[i] as Put;
      return [dueAt, aor];
    });
    transaction.addCommand(['ZADD', due, ...members]);
  }
  try {
    await transaction.exec();
  } catch (error) {
    const replies = repliesOf(error);
    if (!replies) {
      if (isChangedMeanwhile(error)) return undefined;
      throw error;
    }
    // The transaction was carried out; a schedule that is broken is the trouble of its own records.
    schedules.forEach(([, some], s) => {
      const reply = replies[s + 1];
      if (reply instanceof Error) for (const i of some) answers[i] = reply;
    });
  }
  return answers;
}

/** MGET answers "absent" also of a key that holds something else than a row, which must not be written over. */
async function lookAtAbsent(
  commands: RedisCommands,
  all: readonly Put[],
  rows: readonly (string | null)[],
): Promise<ReadonlyMap<string, string | Error>> {
  const keys = new Set(all.flatMap(({ key }, i) => (rows[i] === null ? [key] : [])));
  const found = await Promise.all(
    [...keys].map(async (key) => {
      const row = await commands.getRange(key, 0, 0).catch((error: unknown) => {
        // Without an answer of Redis' own, this is no verdict on one record.
        if (!isReply(error)) throw error;
        return error;
      });
      return [key, row] as const;
    }),
  );
  return new Map(found);
}

/** An error that Redis answered, not one of the connection: its code comes first, in capitals. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && /^[A-Z]+ /.test(error.message);
}

/** Also after the connection was lost in between, and with it what was watched. */
function isChangedMeanwhile(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === 'WatchError';
}

/** Of a transaction that was carried out and had errors in it. */
function repliesOf(error: unknown): readonly unknown[] | undefined {
  return error instanceof Error && 'replies' in error ? (error.replies as readonly unknown[]) : undefined;
}
