/** The embedded store of texts: a file beside that of the records, with a writer of its own. Made at the first use. */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Aor } from '../../../plugin/core/aor.ts';
import type { BindingId } from '../../../plugin/core/binding.ts';
import type { DurationMs, Instant } from '../../../plugin/core/time.ts';
import { StoreError } from '../../../plugin/ports/binding-store.ts';
import type { KeptText, TextRoom, TextStore } from '../../../plugin/ports/text-store.ts';
import { createFile } from './files.ts';

/** `waiting`: ids of devices with blanks between. `value`: JSON of the rest. */
export interface TextRow {
  readonly aor: string;
  readonly id: string;
  readonly received_at: number;
  readonly expires_at: number;
  readonly waiting: string;
  readonly value: string;
}

type Operation =
  | { readonly op: 'keep'; readonly row: TextRow; readonly room: TextRoom }
  | { readonly op: 'of'; readonly aor: string }
  | {
      readonly op: 'taken';
      readonly aor: string;
      readonly text: string;
      readonly by: readonly string[];
      readonly rememberUntil: number;
    }
  | { readonly op: 'expired'; readonly now: number; readonly limit: number }
  | { readonly op: 'drop'; readonly aor: string; readonly text: string }
  | { readonly op: 'accounts' };

export type TextRequest = Operation & { readonly id: number };
export type TextAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };

const WORKER_URL = new URL(
  import.meta.url.endsWith('.ts') ? './texts-worker.ts' : './texts-worker.js',
  import.meta.url,
);

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: StoreError) => void;
}

export class SqliteTexts implements TextStore {
  readonly #path: string;
  readonly #readOnly: boolean;
  readonly #pending = new Map<number, Pending>();
  readonly #claimed = new Set<string>();
  #worker: Worker | undefined;
  #lastId = 0;
  #closed = false;

  /** `readOnly`: for a command beside a process that writes; makes no file and changes none. */
  constructor(path: string, readOnly: boolean) {
    this.#path = `${path}.texts`;
    this.#readOnly = readOnly;
  }

  async open(): Promise<void> {
    if (this.#closed) throw new StoreError(`store file ${this.#path} was closed`);
    // Texts are for their readers only, whatever the umask; SQLite gives its other files the mode of this one.
    createFile(this.#path);
    await this.accounts();
  }

  async keep(text: KeptText, room: TextRoom): Promise<'kept' | 'there' | 'full'> {
    return (await this.#ask({ op: 'keep', row: rowOf(text), room })) as 'kept' | 'there' | 'full';
  }

  async of(aor: Aor): Promise<readonly KeptText[]> {
    return ((await this.#ask({ op: 'of', aor })) as TextRow[]).map(textOf);
  }

  async taken(aor: Aor, id: string, by: readonly BindingId[], rememberUntil: Instant): Promise<void> {
    await this.#ask({ op: 'taken', aor, text: id, by, rememberUntil });
  }

  async expired(now: Instant, limit: number): Promise<readonly KeptText[]> {
    return ((await this.#ask({ op: 'expired', now, limit })) as TextRow[]).map(textOf);
  }

  async drop(aor: Aor, id: string): Promise<void> {
    await this.#ask({ op: 'drop', aor, text: id });
  }

  async accounts(): Promise<readonly Aor[]> {
    if (this.#readOnly && !existsSync(this.#path)) return [];
    return (await this.#ask({ op: 'accounts' })) as Aor[];
  }

  /** One process: a claim lasts until it is given back. */
  async claim(aor: Aor, device: BindingId, _forMs: DurationMs): Promise<boolean> {
    const key = `${aor} ${device}`;
    if (this.#claimed.has(key)) return false;
    this.#claimed.add(key);
    return true;
  }

  async release(aor: Aor, device: BindingId): Promise<void> {
    this.#claimed.delete(`${aor} ${device}`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise<void>((done) => worker.once('exit', () => done()));
    worker.postMessage('close');
    await ended;
  }

  #ask(operation: Operation): Promise<unknown> {
    if (this.#closed) return Promise.reject(new StoreError(`store file ${this.#path} is not open`));
    const worker = this.#start();
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#pending.set(id, { resolve, reject });
      worker.postMessage({ ...operation, id } satisfies TextRequest);
    });
  }

  /** A thread that ended is started anew by the next request; what it had begun is unknown. */
  #start(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(WORKER_URL, {
      workerData: { path: this.#path, readOnly: this.#readOnly },
      name: 'pushwake-texts',
    });
    let reason = 'its thread ended';
    worker.on('message', (answers: readonly TextAnswer[]) => {
      for (const answer of answers) {
        const pending = this.#pending.get(answer.id);
        this.#pending.delete(answer.id);
        if ('error' in answer) pending?.reject(new StoreError(`store file ${this.#path}: ${answer.error}`));
        else pending?.resolve(answer.value);
      }
    });
    worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      const lost = [...this.#pending.values()];
      this.#pending.clear();
      for (const { reject } of lost) reject(new StoreError(`store file ${this.#path}: ${reason}`));
    });
    this.#worker = worker;
    return worker;
  }
}

function rowOf({ id, aor, receivedAt, expiresAt, waiting, ...rest }: KeptText): TextRow {
  const value = JSON.stringify(rest);
  return { aor, id, received_at: receivedAt, expires_at: expiresAt, waiting: waiting.join(' '), value };
}

/** A remembered id has no content any more. */
function textOf({ aor, id, received_at, expires_at, waiting, value }: TextRow): KeptText {
  const rest = value === '' ? { pbx: '', from: '', to: '', contentType: '', body: '' } : JSON.parse(value);
  return {
    ...(rest as Pick<KeptText, 'pbx' | 'from' | 'to' | 'contentType' | 'body'>),
    aor: aor as Aor,
    id,
    receivedAt: received_at as Instant,
    expiresAt: expires_at as Instant,
    waiting: waiting === '' ? [] : (waiting.split(' ') as BindingId[]),
  };
}
