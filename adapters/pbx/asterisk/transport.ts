/** How one Asterisk is reached: we connect (`link.ts`, in a worker), or it dials in (`dial-in/transport.ts`). */
export interface Transport {
  readonly up: boolean;
  /** Resolves when the link is up for the first time, or when the first try failed; it goes on trying, for ever. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Carries out a named operation of `session.ts`. Rejects with LinkError when the link is down or the deadline passes. */
  call<T>(operation: string, args: unknown, deadlineMs: number): Promise<T>;
}
