/** SIP and WebRTC, by JsSIP: one registration, its calls, its texts. */
import JsSIP from 'jssip';
import type { RTCSession } from 'jssip/lib/RTCSession.js';
import type { IncomingRequest } from 'jssip/lib/SIPMessage.js';
import type { IncomingMessageEvent, RTCSessionEvent, UA } from 'jssip/lib/UA.js';
import type { Account, Subscribed } from './types.ts';

export type LineState = 'connecting' | 'registered' | 'refused' | 'offline';

export interface CallView {
  readonly id: string;
  readonly direction: 'in' | 'out';
  /** `X-Push-ID` of its INVITE: the `callId` of the push for this call. */
  readonly pushId: string | undefined;
  readonly with: string;
  state: 'ringing' | 'calling' | 'alerting' | 'connecting' | 'talking' | 'over';
  held: boolean;
  muted: boolean;
  /** Why it is over, as SIP says. */
  cause: string | undefined;
  /** It was answered by another device (RFC 3326, cause 200). */
  elsewhere: boolean;
}

export interface LineEvents {
  state(state: LineState): void;
  /** It is new, or something about it has changed. */
  call(call: CallView): void;
  audio(stream: MediaStream): void;
  text(id: string, from: string, text: string): void;
}

/** A registration ends with its connection anyway; this long it may be refreshed on it (s). */
const EXPIRES_S = 600;
/** Asterisk takes a Contact of up to 511 characters; what is longer is told over HTTP alone. */
const LONGEST_CONTACT = 500;
/** A PBX answers a REGISTER at once; after this it is sent anew (ms). */
const ANSWERS_WITHIN_MS = 5_000;
/** A phone in the local network: its own addresses are enough, and gathering others would take time. */
const PEER: RTCConfiguration = { iceServers: [], rtcpMuxPolicy: 'require' };
const MEDIA = { mediaConstraints: { audio: true, video: false }, pcConfig: PEER };

/** Its Contact says where it is pushed (RFC 8599, `pn-provider=webpush`). */
export function contactUri({ user, installId }: Account, to: Subscribed | undefined): string {
  const plain = `sip:${user}@${installId.slice(0, 12)}.invalid;transport=ws`;
  if (!to) return plain;
  const whole = `${plain};pn-provider=webpush;pn-param=${to.keys};pn-prid=${encodeURIComponent(to.endpoint)}`;
  return whole.length > LONGEST_CONTACT ? plain : whole;
}

function userAgent(account: Account, to: Subscribed | undefined): UA {
  JsSIP.debug.disable();
  return new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(account.wss)],
    uri: `sip:${account.user}@${account.realm}`,
    authorization_user: account.user,
    password: account.password,
    contact_uri: contactUri(account, to),
    instance_id: account.installId,
    register_expires: EXPIRES_S,
    connection_recovery_min_interval: 1,
    connection_recovery_max_interval: 15,
    session_timers: false,
    user_agent: 'pushwake phone',
  });
}

/** Without a word: that the contact is gone with its connection ends no binding. */
function leave(ua: UA): void {
  (ua as unknown as { _transport: { disconnect(): void } })._transport.disconnect();
}

/** Registers once and goes away. Rejects after `withinMs`. */
export function registerOnce(account: Account, to: Subscribed | undefined, withinMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const ua = userAgent(account, to);
    const end = (error?: Error) => {
      clearTimeout(timer);
      leave(ua);
      error ? reject(error) : resolve();
    };
    const timer = setTimeout(() => end(new Error('no answer in time')), withinMs);
    ua.on('registered', () => end());
    ua.on('registrationFailed', ({ cause }) => end(new Error(String(cause))));
    ua.start();
  });
}

export class Line {
  readonly #make: () => UA;
  #ua: UA;
  #late: ReturnType<typeof setTimeout> | undefined;
  readonly #on: LineEvents;
  readonly #sessions = new Map<string, { readonly session: RTCSession; readonly call: CallView }>();

  constructor(account: Account, to: Subscribed | undefined, on: LineEvents) {
    this.#on = on;
    this.#make = () => userAgent(account, to);
    this.#ua = this.#begin();
  }

  #begin(): UA {
    const on = this.#on;
    const ua = this.#make();
    ua.on('connecting', () => on.state('connecting'));
    ua.on('disconnected', () => on.state('offline'));
    ua.on('connected', () => this.#expectAnswer());
    ua.on('registered', () => {
      clearTimeout(this.#late);
      on.state('registered');
    });
    ua.on('registrationFailed', ({ response }) => on.state(response ? 'refused' : 'offline'));
    ua.on('newRTCSession', ({ originator, session, request }: RTCSessionEvent) => {
      const { from, getHeader } = request as IncomingRequest;
      if (originator === 'remote') this.#follow(session, 'in', nameOf(from), getHeader.call(request, 'X-Push-ID'));
    });
    ua.on('newMessage', (event: IncomingMessageEvent | { originator: string }) => {
      if (event.originator === 'remote') this.#text(event as IncomingMessageEvent);
    });
    ua.start();
    return ua;
  }

  /** A PBX that has just been started takes connections before it answers REGISTERs; JsSIP would wait half a minute for that one. */
  #expectAnswer(): void {
    clearTimeout(this.#late);
    this.#late = setTimeout(() => {
      if (this.#ua.isRegistered() || this.#sessions.size > 0) return;
      leave(this.#ua);
      (this.#ua as unknown as { removeAllListeners(): void }).removeAllListeners();
      this.#ua = this.#begin();
    }, ANSWERS_WITHIN_MS);
  }

  dial(number: string): void {
    this.#follow(this.#ua.call(number, MEDIA), 'out', number);
  }

  answer(call: CallView): void {
    for (const other of this.#sessions.values()) if (other.call.state === 'talking') this.hold(other.call, true);
    this.#change(call, { state: 'connecting' });
    this.#sessions.get(call.id)?.session.answer(MEDIA);
  }

  /** Also declines one that rings: 486, so that the other devices of the account go on ringing. */
  end(call: CallView): void {
    const session = this.#sessions.get(call.id)?.session;
    if (session && !session.isEnded()) session.terminate(call.state === 'ringing' ? { status_code: 486 } : {});
  }

  hold(call: CallView, on: boolean): void {
    const session = this.#sessions.get(call.id)?.session;
    if (on ? session?.hold() : session?.unhold()) this.#change(call, { held: on });
  }

  mute(call: CallView, on: boolean): void {
    this.#sessions.get(call.id)?.session[on ? 'mute' : 'unmute']({ audio: true });
    this.#change(call, { muted: on });
  }

  tone(call: CallView, digit: string): void {
    this.#sessions.get(call.id)?.session.sendDTMF(digit, { transportType: 'RFC2833' as never });
  }

  /** The page goes: what is talking is hung up. Its connection is left to the browser: closed here as well, it would take the BYE with it. */
  hangUp(): void {
    for (const { session } of this.#sessions.values()) if (session.isEstablished()) session.terminate();
  }

  /** Another line takes its place; the registration ends with the connection. */
  close(): void {
    clearTimeout(this.#late);
    leave(this.#ua);
  }

  /** Logs out of the PBX: nothing wakes this phone any more. */
  logOut(): void {
    clearTimeout(this.#late);
    this.#ua.stop();
  }

  #text({ message, request }: IncomingMessageEvent): void {
    message.accept({});
    const id = request.getHeader('X-Pushwake-Text-ID') ?? request.getHeader('Call-ID') ?? '';
    this.#on.text(id, nameOf(request.from), String(request.body ?? ''));
  }

  #follow(session: RTCSession, direction: CallView['direction'], who: string, pushId?: string): void {
    const { id } = session;
    const state = direction === 'in' ? 'ringing' : 'calling';
    const begun = { held: false, muted: false, cause: undefined, elsewhere: false };
    const call: CallView = { id, direction, pushId, with: who, state, ...begun };
    this.#sessions.set(id, { session, call });
    const listen = () =>
      session.connection?.addEventListener('track', ({ streams: [stream] }) => {
        if (stream) this.#on.audio(stream);
      });
    if (session.connection) listen();
    else session.on('peerconnection', listen);
    session.on('progress', () => this.#change(call, direction === 'out' ? { state: 'alerting' } : {}));
    session.on('accepted', () => this.#change(call, { state: 'talking' }));
    const over = ({ cause, message }: { cause?: string; message?: unknown }) => {
      const reason = (message as IncomingRequest | null)?.getHeader?.('Reason') ?? '';
      this.#sessions.delete(id);
      this.#change(call, { state: 'over', cause, elsewhere: /cause=200\b|completed elsewhere/i.test(reason) });
    };
    session.on('ended', over as never);
    session.on('failed', over as never);
    this.#on.call(call);
  }

  #change(call: CallView, change: Partial<CallView>): void {
    Object.assign(call, change);
    this.#on.call(call);
  }
}

const nameOf = ({ display_name: name, uri }: IncomingRequest['from']) => name || uri.user || '';
