/** The last contact seen under a Call-ID, for the one REGISTER that names nothing else (`Contact: *`). A bounded memory. */
import type { Aor } from '../../../../plugin/core/aor.ts';
import { BoundedMap } from '../../../../plugin/core/bounded-map.ts';
import { bytesOfText, detached } from '../../../../plugin/core/detached.ts';

const MOST = 10_000;
const MOST_BYTES = 8 * 1024 * 1024;
/** A longer Call-ID is nobody's; FreeSWITCH takes one as long as the message. */
const LONGEST_CALL_ID = 512;

export interface Seen {
  readonly aor: Aor;
  readonly uri: string;
}

export class LastSeen {
  readonly #seen = new BoundedMap<string, Seen>({
    most: MOST,
    mostBytes: MOST_BYTES,
    bytesOf: (callId, { aor, uri }) => bytesOfText(callId) + bytesOfText(aor) + bytesOfText(uri),
  });

  set(callId: string, { aor, uri }: Seen): void {
    if (callId === '' || callId.length > LONGEST_CALL_ID) return;
    this.#seen.set(detached(callId), { aor: detached(aor) as Aor, uri: detached(uri) });
  }

  get(callId: string): Seen | undefined {
    return this.#seen.get(callId);
  }
}
