/**
 * A worker thread that holds one old SDK, under a supervisor.
 *
 * Why a worker: `modesl` throws inside its socket handlers and gives up
 * reconnecting; and a socket that is read too slowly slows the PBX itself down. The worker reads at once; whatever
 * happens in it costs one link for a moment, never the process.
 *
 * Heartbeats go both ways. A worker that gets none for a second closes its link (dead man's switch: new calls then
 * take the plain path); a supervisor that gets none replaces the worker.
 */
import { Worker } from 'node:worker_threads';
import type { Logger } from '../../plugin/ports/adapter.ts';
import { LinkError } from '../../plugin/ports/pbx-link.ts';

/** How often each side sends a heartbeat, in real milliseconds, whatever clock the bindings use. */
export const HEARTBEAT_MS = 250;
/** Silence after which the other side counts as dead. */
export const DEAD_AFTER_MS = 1_000;
/** The time that a new thread has until its first heartbeat: it loads its SDK first, which is slow on a busy machine. */
const LOADED_WITHIN_MS = 15_000;
const RESTART_MIN_MS = 50;
const RESTART_MAX_MS = 3_000;

export type ToWorker =
  | { readonly t: 'beat' }
  | { readonly t: 'call'; readonly id: number; readonly op: string; readonly args: unknown };

export type FromWorker =
  | { readonly t: 'beat' }
  | { readonly t: 'up'; readonly info: Record<string, unknown> }
  | { readonly t: 'event'; readonly event: unknown }
  /** The link cannot be had now; the worker ends. `hint`: what an administrator can do about it. */
  | { readonly t: 'down'; readonly reason: string; readonly hint?: string }
  | {
      readonly t: 'log';
      readonly level: 'debug' | 'info' | 'warn';
      readonly fields: Record<string, unknown>;
      readonly message: string;
    }
  | { readonly t: 'reply'; readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly t: 'reply'; readonly id: number; readonly ok: false; readonly error: string };

export interface SupervisedWorkerOptions {
  readonly name: string;
  readonly script: URL;
  readonly workerData: unknown;
  readonly log: Logger;
  readonly onUp: (info: Record<string, unknown>) => void;
  readonly onDown: (reason: string) => void;
  readonly onEvent: (event: unknown) => void;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: LinkError) => void;
  readonly cancel: () => void;
}

export class SupervisedWorker {
  readonly #o: SupervisedWorkerOptions;
  #worker: Worker | undefined;
  /** Orders that go to the worker in a moment, in this order. */
  #outbox: ToWorker[] = [];
  #pending = new Map<number, Pending>();
  #nextId = 1;
  #failures = 0;
  #lastBeat = 0;
  #patienceMs = LOADED_WITHIN_MS;
  #lastComplaint = '';
  #stopped = false;
  #timers = new Set<() => void>();
  #firstTry: (() => void) | undefined;
  up = false;

  constructor(options: SupervisedWorkerOptions) {
    this.#o = options;
  }

  /** Resolves when the link is up for the first time, or when the first try failed (it goes on trying, for ever). */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#firstTry = resolve;
      this.#spawn();
      this.#beat();
    });
  }

  /** Asks the worker for something. Rejects with LinkError when the link is down or the deadline passes. */
  call<T>(op: string, args: unknown, deadlineMs: number): Promise<T> {
    const worker = this.#worker;
    if (!worker || !this.up) return Promise.reject(new LinkError(`link ${this.#o.name} is down`));
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      const cancel = this.#after(deadlineMs, () => {
        this.#pending.delete(id);
        reject(new LinkError(`${this.#o.name} did not answer ${op} within ${deadlineMs} ms`));
      });
      this.#pending.set(id, { resolve: resolve as (v: unknown) => void, reject, cancel });
      this.#post({ t: 'call', id, op, args });
    });
  }

  /**
   * Behind what else this turn of the event loop has to write: what a call makes us ask the PBX wakes the worker's thread, and its push must not
   * wait for that. Several orders of one turn wake it once.
   */
  #post(message: ToWorker): void {
    if (this.#outbox.push(message) > 1) return;
    setImmediate(() => {
      const outbox = this.#outbox;
      this.#outbox = [];
      for (const one of outbox) this.#worker?.postMessage(one);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of [...this.#timers]) cancel();
    const worker = this.#worker;
    this.#worker = undefined;
    this.#fail('stopped');
    await worker?.terminate();
  }

  /** The machine's milliseconds, whatever clock the bindings use. */
  #after(ms: number, ring: () => void): () => void {
    const timer = setRealTimeout(() => {
      this.#timers.delete(cancel);
      ring();
    }, ms);
    const cancel = () => {
      clearTimeout(timer);
      this.#timers.delete(cancel);
    };
    this.#timers.add(cancel);
    return cancel;
  }

  #spawn(): void {
    if (this.#stopped) return;
    // stdout and stderr are ours: the SDK prints notices there, and may print a URL with the password in it.
    const worker = new Worker(this.#o.script, {
      workerData: this.#o.workerData,
      stdout: true,
      stderr: true,
      name: this.#o.name,
    });
    this.#worker = worker;
    this.#lastBeat = performance.now();
    this.#patienceMs = LOADED_WITHIN_MS;
    worker.on('message', (m: FromWorker) => this.#message(worker, m));
    worker.on('error', (error) =>
      this.#ended(worker, `the client library threw ${error?.name ?? 'something'}: ${safe(error)}`),
    );
    worker.on('exit', (code) => this.#ended(worker, `worker ended with code ${code}`));
    worker.postMessage({ t: 'beat' } satisfies ToWorker);
  }

  #message(worker: Worker, m: FromWorker): void {
    if (worker !== this.#worker || this.#stopped) return;
    this.#lastBeat = performance.now();
    this.#patienceMs = DEAD_AFTER_MS + 2 * HEARTBEAT_MS;
    switch (m.t) {
      case 'beat':
        return;
      case 'up':
        this.#failures = 0;
        this.#lastComplaint = '';
        this.up = true;
        this.#o.log.info({ pbx: this.#o.name, ...m.info }, 'pbx link up');
        this.#o.onUp(m.info);
        this.#tried();
        return;
      case 'event':
        return this.#o.onEvent(m.event);
      case 'log':
        return this.#o.log[m.level]({ pbx: this.#o.name, ...m.fields }, m.message);
      case 'down':
        return this.#ended(worker, m.reason, m.hint);
      case 'reply': {
        const p = this.#pending.get(m.id);
        if (!p) return;
        this.#pending.delete(m.id);
        p.cancel();
        if (m.ok) p.resolve(m.value);
        else p.reject(new LinkError(m.error));
      }
    }
  }

  #ended(worker: Worker, reason: string, hint?: string): void {
    if (worker !== this.#worker || this.#stopped) return;
    this.#worker = undefined;
    worker.terminate().catch(() => undefined);
    const wasUp = this.up;
    this.#fail(reason);
    // Logged once per cause, not once per try, so that an administrator can read it.
    if (wasUp || reason !== this.#lastComplaint) {
      this.#lastComplaint = reason;
      this.#o.log.warn(
        { pbx: this.#o.name, reason, ...(hint ? { hint } : {}) },
        'pbx link down, calls take the plain path',
      );
    }
    if (wasUp) this.#o.onDown(reason);
    this.#tried();
    const backoff = Math.min(RESTART_MIN_MS * 2 ** Math.min(this.#failures, 8), RESTART_MAX_MS);
    // The first try after a good link comes at once; later ones a little apart, so that many nodes do not come in step.
    const jitter = ((performance.now() * 7919) % 100) / 100;
    this.#failures++;
    this.#after(backoff * (0.75 + jitter / 2), () => this.#spawn());
  }

  #fail(reason: string): void {
    this.up = false;
    this.#outbox.length = 0;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const p of pending) {
      p.cancel();
      p.reject(new LinkError(`link ${this.#o.name} went down: ${reason}`));
    }
  }

  #tried(): void {
    this.#firstTry?.();
    this.#firstTry = undefined;
  }

  #beat(): void {
    if (this.#stopped) return;
    const worker = this.#worker;
    const now = performance.now();
    worker?.postMessage({ t: 'beat' } satisfies ToWorker);
    // The main thread may have been blocked itself and then finds an old beat: give the worker one more beat before it is replaced.
    if (worker && now - this.#lastBeat > this.#patienceMs) {
      if (this.#suspect) this.#ended(worker, 'the link worker hangs');
      this.#suspect = !this.#suspect;
    } else this.#suspect = false;
    this.#after(HEARTBEAT_MS, () => this.#beat());
  }
  #suspect = false;
}

/** Messages of foreign errors may hold URLs with credentials (`api_key=user:password`). */
export function safe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replace(/api_key=[^&\s"']*/gi, 'api_key=…')
    .replace(/\/\/[^/@\s]*@/g, '//…@')
    .slice(0, 300);
}

/** Thread supervision runs on the machine's time whatever clock the bindings live by. */
const setRealTimeout = (f: () => void, ms: number) => setTimeout(f, ms);
