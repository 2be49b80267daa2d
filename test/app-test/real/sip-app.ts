/**
 * The SIP phone of the tests as an app with push tokens, and the person who holds it: what was on its screen is worked out from the
 * pushes and INVITEs that really arrived.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { QuestionName } from '../../../plugin/core/app-test/index.ts';
import type { ReceivedPush } from '../../support/apns-stand-in/index.ts';
import { ours, type PbxScene, type PushIdentity } from '../../support/pbx-scene.ts';
import type { IncomingCall, SipPhone, SipPhoneOptions } from '../../support/sip-phone/index.ts';
import type { Misbehaviour } from '../misbehaviours.ts';

const SLEEPS_AFTER_MS = 4_000;
/** Nobody who calls hangs up sooner after the INVITE; pushwake does when it shows a call that is over. */
const SHOWN_ENDED_WITHIN_MS = 1_000;
/** From the push to the REGISTER of an app that the system starts. */
const STARTS_IN_MS = 1_000;

export class SipApp {
  readonly phone: SipPhone;
  readonly #scene: PbxScene;
  readonly #wrong: Misbehaviour | undefined;
  #identity: PushIdentity;
  /** By id of the call: how many screens, and whether they are there now. */
  readonly #shown = new Map<string, { screens: number; isThere: boolean }>();
  /** Ids of calls whose INVITE it took: what ends them is CANCEL or BYE. */
  readonly #rung = new Set<string>();
  #lastCall = '';
  #missed = 0;
  #shownSilent = false;
  #shownNotice = false;
  #isOffline = false;
  #isLoggedOut = false;
  #isMeasured = false;
  readonly #late: ReceivedPush[] = [];
  #stops: (() => void)[] = [];
  #mayAnswer = false;
  #naps = 0;
  #seen = 0;

  private constructor(scene: PbxScene, phone: SipPhone, wrong: Misbehaviour | undefined) {
    this.#scene = scene;
    this.phone = phone;
    this.#wrong = wrong;
    this.#identity = scene.install();
  }

  static async install(
    scene: PbxScene,
    user: string,
    o: { wrong?: Misbehaviour; options?: Partial<SipPhoneOptions> } = {},
  ): Promise<SipApp> {
    const phone = await scene.phone(user, { transport: 'tcp', userAgent: 'pushwake-test-phone/1.0', ...o.options });
    const app = new SipApp(scene, phone, o.wrong);
    phone.answer = { kind: 'silent' };
    await scene.bind(phone, app.#identity);
    app.#listen();
    const looking = setInterval(() => app.#look(), 50);
    app.#stops.push(() => clearInterval(looking));
    app.#napSoon();
    return app;
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  #is(wrong: Misbehaviour): boolean {
    return this.#wrong === wrong;
  }

  says(name: QuestionName): Promise<'yes' | 'no' | undefined> {
    const word = (yes: boolean) => Promise.resolve(yes ? ('yes' as const) : ('no' as const));
    const isEmpty = () => [...this.#shown.values()].every((s) => !s.isThere);
    const last = () => this.#shown.get(this.#lastCall)?.screens ?? 0;
    switch (name) {
      case 'answer-now':
        this.#mayAnswer = true;
        return Promise.resolve(undefined);
      case 'one-screen':
      case 'one-screen-again':
        return word(last() === 1);
      case 'silent-before':
      case 'silent-after':
      case 'silent-late':
        return word(isEmpty());
      case 'not-missed':
        return word(isEmpty() && this.#missed === 0);
      case 'offline':
        this.#isOffline = true;
        return word(true);
      case 'online':
        this.#isOffline = false;
        for (const push of this.#late.splice(0)) this.#called(push);
        return word(true);
      case 'saw-nothing':
        return word(!this.#shownSilent);
      case 'saw-notice':
        return word(this.#shownNotice);
      case 'new-token':
        return this.#newTokens();
      case 'log-out':
        return this.#logOut();
      case 'log-in':
        this.#isLoggedOut = false;
        return this.#register().then(() => 'yes' as const);
      case 'ready':
        this.#isMeasured = true;
        return word(true);
      default:
        return name satisfies never;
    }
  }

  // ── Registering ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #register(how: 'whole' | 'bare' = 'whole'): Promise<void> {
    if (!this.phone.isOpen) await this.phone.wake();
    await this.phone.register({ ...(how === 'whole' && { contactParams: this.#identity.params }), newCallId: true });
    this.#napSoon();
  }

  #napSoon(): void {
    const mine = ++this.#naps;
    const timer = setTimeout(() => {
      if (mine !== this.#naps || this.#isLoggedOut) return;
      if (this.phone.incoming.some(isTaken)) return this.#napSoon();
      void this.#nap().catch(() => undefined);
    }, SLEEPS_AFTER_MS);
    this.#stops.push(() => clearTimeout(timer));
  }

  async #nap(): Promise<void> {
    if (this.#is('becomes another device in the background') && this.#isMeasured) {
      // From another port: at the same contact it would be the device whose token has changed.
      await this.phone.sleep();
      await this.phone.wake();
      const other = this.#scene.install();
      this.#listenTo(other);
      await this.phone.register({ contactParams: other.params, newCallId: true });
    }
    if (this.#is('logs out when it goes to sleep') && this.#isMeasured) await this.phone.unregister();
    await this.phone.sleep();
  }

  async #newTokens(): Promise<'yes'> {
    this.#identity = this.#scene.install();
    this.#listenTo(this.#identity);
    if (!this.#is('keeps its old token')) await this.#register();
    return 'yes';
  }

  async #logOut(): Promise<'yes'> {
    await this.#register();
    this.#isLoggedOut = true;
    if (!this.#is('stays registered when its user logs out')) await this.phone.unregister();
    return 'yes';
  }

  // ── Pushes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #listen(): void {
    this.#listenTo(this.#identity);
  }

  #listenTo({ voip, other }: PushIdentity): void {
    this.#stops.push(
      this.#scene.apns.onPush(voip, (push) => (this.#isOffline ? void this.#late.push(push) : this.#called(push))),
      this.#scene.apns.onPush(other, (push) => this.#other(push)),
    );
  }

  #called(push: ReceivedPush): void {
    const { callId, expiresAt } = ours(push);
    const id = String(callId);
    const isOld = Number(expiresAt) < Date.now();
    if (this.#isLoggedOut || this.#is('does not come for a call push')) return;
    if (isOld && !this.#is('rings for a push that is too old')) return;
    const known = this.#shown.get(id);
    if (known && !this.#is('shows a repeated push as another call')) return;
    this.#shown.set(id, { screens: (known?.screens ?? 0) + 1, isThere: true });
    this.#lastCall = id;
    // Without an INVITE the call is over, and the app takes it off the screen.
    const forMs = isOld || this.#is('rings for a caller who was gone before it came') ? 20_000 : 4_000;
    this.#later(forMs, () => {
      if (!this.#rung.has(id)) this.#hide(id, 'no INVITE');
    });
    if (isOld) return;
    this.#later(this.#is('comes seven seconds later') ? 7_000 : STARTS_IN_MS, () => {
      const bare = this.#is('registers without its push parameters');
      void this.#register(bare ? 'bare' : 'whole').catch(() => undefined);
    });
  }

  #other(push: ReceivedPush): void {
    const { type, callId } = ours(push);
    if (this.#isLoggedOut || this.#isOffline) return;
    if (type === 'notice' && !this.#is('does not show a notice')) this.#shownNotice = true;
    if (type === 'cancel') this.#hide(String(callId), 'cancel push');
    if (type !== 'refresh') return;
    if (this.#is('shows a silent push')) this.#shownSilent = true;
    if (!this.#is('does not come for a silent push'))
      this.#later(500, () => void this.#register().catch(() => undefined));
  }

  // ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** New INVITEs, and what became of those that were there. */
  #look(): void {
    for (const call of this.phone.incoming.slice(this.#seen)) this.#invited(call);
    this.#seen = this.phone.incoming.length;
    for (const call of this.phone.incoming) if (call.state === 'ended') this.#hide(idOf(call), 'BYE');
    if (!this.#mayAnswer) return;
    const ringing = this.phone.incoming.find((c) => c.state === 'ringing');
    if (ringing && !this.#is('cannot be answered')) void ringing.answer();
    this.#mayAnswer = false;
  }

  #invited(call: IncomingCall): void {
    const id = idOf(call);
    const isSecond = this.phone.incoming.some((c) => c !== call && isTaken(c) && idOf(c) !== id);
    if (this.#is('leaves the INVITE without an answer')) return;
    if (isSecond && this.#is('leaves a second call without an answer')) return;
    if (this.#is('refuses by itself') && !isSecond) return call.reject(486);
    const known = this.#shown.get(id);
    const again = this.#is('shows a call for the push and one for the INVITE') ? 1 : 0;
    this.#shown.set(id, { screens: (known?.screens ?? 1) + again, isThere: true });
    this.#lastCall = id;
    this.#rung.add(id);
    call.ring();
    if (this.#is('answers by itself')) this.#later(700, () => void call.answer());
    void call
      .waitForState('cancelled', 70_000)
      .then(async () => {
        const elsewhere = call.cancelReasons.some((r) => r.includes('cause=200'));
        if (elsewhere && this.#is('counts a call that somebody else took as missed')) this.#missed++;
        if (!elsewhere && this.#is('rings on after CANCEL')) await delay(7_000);
        // Pushwake shows a call that is over to a phone that comes late: its CANCEL follows the INVITE while the app is still at its push.
        const isLate = (call.cancelledAt ?? 0) - call.receivedAt < SHOWN_ENDED_WITHIN_MS;
        if (isLate && this.#is('rings for a caller who was gone before it came')) return void this.#rung.delete(id);
        this.#hide(id, 'CANCEL');
      })
      .catch(() => this.#hide(id, 'CANCEL'));
  }

  #hide(id: string, why: 'no INVITE' | 'cancel push' | 'CANCEL' | 'BYE'): void {
    const isDeaf =
      this.#is('rings on after CANCEL') ||
      this.#is('rings for a push that is too old') ||
      this.#is('rings for a caller who was gone before it came');
    if (why === 'cancel push' && isDeaf) return;
    const shown = this.#shown.get(id);
    if (shown) this.#shown.set(id, { ...shown, isThere: false });
  }

  #later(ms: number, what: () => void): void {
    const timer = setTimeout(what, ms);
    this.#stops.push(() => clearTimeout(timer));
  }
}

/** An INVITE without any answer is nobody's call: the PBX can send no CANCEL for it, and repeats it for half a minute. */
const isTaken = ({ state }: IncomingCall): boolean => state === 'ringing' || state === 'answered';

const idOf = (call: IncomingCall): string => call.headers.get('X-Push-ID') ?? '';
