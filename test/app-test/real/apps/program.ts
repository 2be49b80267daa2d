/** A softphone that runs as a program: what it shows of its calls, and what its user and the system do with it. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

export interface Account {
  readonly user: string;
  readonly password: string;
  readonly realm: string;
  /** TCP port of the PBX on 127.0.0.1. */
  readonly port: number;
  /** Folder that the program may write to. */
  readonly home: string;
}

/** What Google gave the app. */
export interface PushToken {
  readonly param: string;
  readonly prid: string;
}

export interface Softphone {
  /** Name and version, as the report calls it. */
  readonly name: string;
  /** Starts the program, which registers by itself. */
  start(token: PushToken): Promise<void>;
  /** Resolves when its user sees that the account is connected, or has waited long enough. */
  connected(): Promise<void>;
  /** Its user answers the call that rings. */
  answer(): void;
  /** Its user ends it, or logs out. Resolves when that is done. */
  logOut(): Promise<void>;
  /** Whether it shows its last call as missed. Undefined: it did not say. */
  showsMissed(): Promise<boolean | undefined>;
  /** The system ends it, without a word to it. */
  kill(): Promise<void>;
  readonly screen: Screen;
  /** What it has printed since its start, for a failure. */
  readonly printed: readonly string[];
}

/** Its incoming calls, by what it prints. */
export class Screen {
  readonly #calls = new Map<string, 'ringing' | 'answered' | 'over'>();
  #shown = 0;

  /** How many incoming calls it has ever shown. */
  get shown(): number {
    return this.#shown;
  }

  get isRinging(): boolean {
    return [...this.#calls.values()].includes('ringing');
  }

  get isBusy(): boolean {
    return this.isRinging || [...this.#calls.values()].includes('answered');
  }

  incoming(id: string): void {
    if (this.#calls.has(id)) return;
    this.#calls.set(id, 'ringing');
    this.#shown++;
  }

  answered(id: string): void {
    if (this.#calls.has(id)) this.#calls.set(id, 'answered');
  }

  over(id: string): void {
    if (this.#calls.has(id)) this.#calls.set(id, 'over');
  }

  /** Its program is gone, and numbers its calls anew. */
  clear(): void {
    this.#calls.clear();
  }
}

/** Folder that keeps all that the programs print: `APP_TEST_LOGS=…`. */
export const LOGS = process.env.APP_TEST_LOGS;

const LOOKS_EVERY_MS = 50;
/** A person gives up waiting for the app to be connected. */
export const CONNECTS_WITHIN_MS = 20_000;

/** Resolves when it is so, or after `ms`. */
export async function untilSeen(isSo: () => boolean, ms: number): Promise<void> {
  for (let waited = 0; waited < ms && !isSo(); waited += LOOKS_EVERY_MS) await delay(LOOKS_EVERY_MS);
}

/** A program with lines in and out. */
export class Process {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: string[] = [];
  readonly #gone: Promise<unknown>;

  constructor(
    command: string,
    args: readonly string[],
    o: { home: string; env?: NodeJS.ProcessEnv; heard: (line: string) => void },
  ) {
    this.#child = spawn(command, args, { cwd: o.home, env: { ...process.env, ...o.env } });
    this.#gone = once(this.#child, 'exit');
    // A program that is killed breaks its pipe.
    this.#child.stdin.on('error', () => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line);
        if (LOGS !== undefined) appendFileSync(join(LOGS, basename(command)), `${line}\n`);
        o.heard(line);
      });
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal);
    await this.#gone;
  }
}
