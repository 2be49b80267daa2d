/**
 * The main thread's end of the writer: sends requests in bundles, keeps what is not answered yet, and starts the thread anew
 * when it dies. What was on its way then is *unknown*: it may or may not be stored.
 */
import { Worker } from 'node:worker_threads';
import { type DurationMs, MINUTE } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import { StoreError } from '../../../plugin/ports/binding-store.ts';
import type { FromWorker, Operation, Request, ToWorker, WorkerInput } from './protocol.ts';

const FIRST_RESTART_MS: DurationMs = 100;
const LAST_RESTART_MS: DurationMs = MINUTE;

/** `.ts` when run from the sources, `.js` when built. */
export const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

interface Pending {
  readonly resolve: (value: number) => void;
  readonly reject: (error: StoreError) => void;
}

type State =
  | { readonly name: 'new' | 'closed' }
  | { readonly name: 'up'; readonly worker: Worker }
  | { readonly name: 'down'; readonly why: string; readonly cancel: () => void };

export class Writer {
  readonly #input: WorkerInput;
  readonly #deps: Pick<AdapterDeps, 'clock' | 'log'>;
  readonly #workerUrl: URL;
  readonly #pending = new Map<number, Pending>();
  #outbox: Request[] = [];
  #state: State = { name: 'new' };
  #lastId = 0;
  #restarts = 0;

  constructor(input: WorkerInput, deps: Pick<AdapterDeps, 'clock' | 'log'>, workerUrl: URL = WORKER_URL) {
    this.#input = input;
    this.#deps = deps;
    this.#workerUrl = workerUrl;
  }

  async open(): Promise<void> {
    this.#state = { name: 'up', worker: await this.#start() };
  }

  /** Resolves when the change would survive a power cut. */
  run(operation: Operation): Promise<number> {
    const state = this.#state;
    if (state.name !== 'up') {
      const why = state.name === 'down' ? state.why : `store file ${this.#input.path} is not open`;
      return Promise.reject(new StoreError(why));
    }
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#pending.set(id, { resolve, reject });
      this.#outbox.push({ ...operation, id });
      // One message for everything that is asked in the same turn.
      if (this.#outbox.length === 1) queueMicrotask(() => this.#send());
    });
  }

  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { name: 'closed' };
    if (state.name === 'down') state.cancel();
    if (state.name !== 'up') return;
    const { worker } = state;
    this.#send(worker);
    const ended = new Promise<void>((done) => worker.once('exit', () => done()));
    worker.postMessage({ type: 'close' } satisfies ToWorker);
    await ended;
  }

  #send(worker = this.#state.name === 'up' ? this.#state.worker : undefined): void {
    if (!worker || this.#outbox.length === 0) return;
    const requests = this.#outbox;
    this.#outbox = [];
    worker.postMessage({ type: 'work', requests } satisfies ToWorker);
  }

  #start(): Promise<Worker> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(this.#workerUrl, { workerData: this.#input, name: 'pushwake-store' });
      let ready = false;
      let reason = 'the writer thread ended';
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'answers') return this.#settle(message.answers);
        if (message.type === 'ready') {
          ready = true;
          return resolve(worker);
        }
        return reject(new StoreError(message.message));
      });
      worker.on('error', (error) => {
        reason = error instanceof Error ? error.message : String(error);
      });
      worker.on('exit', () => {
        if (ready) this.#died(reason);
        else reject(new StoreError(`store file ${this.#input.path}: the writer thread did not start (${reason})`));
      });
    });
  }

  #settle(answers: Extract<FromWorker, { type: 'answers' }>['answers']): void {
    for (const answer of answers) {
      const pending = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if ('error' in answer) pending?.reject(new StoreError(answer.error));
      else pending?.resolve(answer.value);
    }
    this.#restarts = 0;
  }

  #died(reason: string): void {
    const why = `store file ${this.#input.path}: the writer thread ended (${reason}); what was being written is unknown, it starts again by itself`;
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    this.#outbox = [];
    for (const { reject } of lost) reject(new StoreError(why));
    if (this.#state.name === 'closed') return;
    this.#deps.log.error({ path: this.#input.path, reason, lost: lost.length }, 'store writer ended');
    this.#restartLater(why);
  }

  #restartLater(why: string): void {
    const inMs = Math.min(FIRST_RESTART_MS * 2 ** this.#restarts, LAST_RESTART_MS);
    this.#restarts++;
    const cancel = this.#deps.clock.after(inMs, () => {
      this.#start().then(
        (worker) => this.#restarted(worker),
        (error: StoreError) => {
          if (this.#state.name === 'closed') return;
          this.#deps.log.error({ path: this.#input.path, reason: error.message }, 'store writer did not start');
          this.#restartLater(error.message);
        },
      );
    });
    this.#state = { name: 'down', why, cancel };
  }

  #restarted(worker: Worker): void {
    if (this.#state.name === 'closed') {
      worker.postMessage({ type: 'close' } satisfies ToWorker);
      return;
    }
    this.#state = { name: 'up', worker };
    this.#deps.log.info({ path: this.#input.path }, 'store writer runs again');
  }
}
