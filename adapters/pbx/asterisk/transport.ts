/** How one Asterisk is reached: we connect (`dial-out/transport.ts`), or it dials in (`dial-in/transport.ts`). */
/** What a transport tells of its link. */
export interface TransportEvents {
  readonly onUp: (info: Record<string, unknown>) => void;
  readonly onDown: (reason: string) => void;
  /** What `AriSession` told. */
  readonly onEvent: (event: unknown) => void;
}

export interface Transport {
  readonly up: boolean;
  /** Resolves when the link is up for the first time, or when the first try failed; it goes on trying, for ever. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Carries out a named operation of `session.ts`. Rejects with LinkError when the link is down or the deadline passes. */
  call<T>(operation: string, args: unknown, deadlineMs: number): Promise<T>;
}
