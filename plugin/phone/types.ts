/** What the page, the service worker and the pure parts speak of. */

export interface Account {
  readonly aor: string;
  readonly user: string;
  readonly realm: string;
  /** Address of the PBX's SIP over WebSocket. */
  readonly wss: string;
  /** Key of the device API, for this account only. */
  readonly key: string;
  readonly vapidPublicKey: string;
  readonly password: string;
  /** What this install calls itself, always the same (RFC 5626, `+sip.instance`). */
  readonly installId: string;
}

export interface Subscribed {
  readonly endpoint: string;
  /** `<p256dh>.<auth>`, base64url. */
  readonly keys: string;
}

/** One line of the call list. */
export interface PastCall {
  readonly id: string;
  readonly at: number;
  /** Undefined: it was not said. */
  readonly with: string | undefined;
  readonly how: 'in' | 'out' | 'missed' | 'elsewhere';
}

export type Text = { readonly id: string; readonly at: number; readonly from: string; readonly text: string };
