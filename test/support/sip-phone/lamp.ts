/** The lamp of a key for another extension (BLF): a subscription to its dialogs (RFC 4235), and what each NOTIFY said. */
import type { SipRequest } from './message.ts';

/** `terminated` is a lamp that is out: also where the extension has no dialog at all. */
export type LampState = 'terminated' | 'trying' | 'proceeding' | 'early' | 'confirmed';

export class Lamp {
  readonly callId: string;
  /** Every state that it was told, in order. */
  readonly states: LampState[] = [];

  constructor(callId: string) {
    this.callId = callId;
  }

  /** Undefined: no NOTIFY has come. */
  get state(): LampState | undefined {
    return this.states.at(-1);
  }

  take(notify: SipRequest): void {
    const said = [...notify.body.matchAll(/<state\b[^>]*>\s*(\w+)\s*<\/state>/g)].map((m) => m[1] as LampState);
    // Of several dialogs the one that lives lights the lamp.
    this.states.push(said.find((state) => state !== 'terminated') ?? 'terminated');
  }
}
