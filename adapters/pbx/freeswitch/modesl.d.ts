/** What we use of modesl 1.2.1, which brings no types. */
declare module 'modesl' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  export interface EslEvent {
    readonly headers: readonly { readonly name: string; readonly value: string | number }[];
    readonly body: string;
    getHeader(name: string): string | null;
    getBody(): string;
  }

  export class Connection extends EventEmitter {
    constructor(host: string, port: number, password: string);
    /** Null after the other side ended it. */
    socket: Socket | null;
    /** Subscribed by itself after the login; replaced by what we want. */
    reqEvents: string[];
    sendRecv(command: string, callback: (reply: EslEvent) => void): void;
    sendRecv(command: string, headers: Record<string, string>, callback: (reply: EslEvent) => void): void;
    api(command: string, args: string, callback: (reply: EslEvent) => void): void;
    disconnect(): void;
  }

  /** Cuts a stream into frames. Emits `esl::event` (event, headers of the frame, body) and `error`. */
  export class Parser extends EventEmitter {
    constructor(socket: EventEmitter);
  }

  const modesl: { readonly Connection: typeof Connection; readonly Parser: typeof Parser };
  export default modesl;
}
