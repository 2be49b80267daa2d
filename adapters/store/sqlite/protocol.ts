/** What the main thread and the writer say to each other. Types only. */

export interface WorkerInput {
  readonly path: string;
  /** How long a write waits for a foreign tool that holds the file (`sqlite3`, a backup), in ms. */
  readonly busyTimeoutMs: number;
}

export type Operation =
  /** Stored if the version there is `version - 1` (0: nothing there). `dueAt` null: not due at any time. */
  | {
      readonly op: 'put';
      readonly key: string;
      readonly version: number;
      readonly dueAt: number | null;
      readonly value: string;
    }
  /** Deleted if the version there is `version`. */
  | { readonly op: 'remove'; readonly key: string; readonly version: number }
  /** How many are due in [from, to). Done by the writer because a million index rows take too long for the main thread. */
  | { readonly op: 'count'; readonly from: number; readonly to: number };

export type Request = Operation & { readonly id: number };

export type ToWorker = { readonly type: 'work'; readonly requests: readonly Request[] } | { readonly type: 'close' };

/** `value`: put and remove 1 when done, 0 on a conflict; count the count. */
export type Answer = { readonly id: number; readonly value: number } | { readonly id: number; readonly error: string };

export type FromWorker =
  | { readonly type: 'ready' }
  /** The file cannot be used. Nothing was changed in it. */
  | { readonly type: 'refused'; readonly message: string }
  | { readonly type: 'answers'; readonly answers: readonly Answer[] };
