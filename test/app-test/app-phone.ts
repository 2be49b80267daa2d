/**
 * A phone of the simulated world with an app that does all that docs/app-payloads.md asks for, or all but one thing; and the person who
 * holds it and says what is to be seen.
 */

import type { Aor } from '../../plugin/core/aor.ts';
import type { QuestionName } from '../../plugin/core/app-test/index.ts';
import { type DurationMs, SECOND } from '../../plugin/core/time.ts';
import type { PushRequest } from '../../plugin/ports/push-provider.ts';
import type { Call, Leg } from '../world/call.ts';
import { Phone, type PhoneOptions } from '../world/phone.ts';
import type { TokenTruth } from '../world/push-service.ts';
import { trueWall } from '../world/time.ts';
import type { Misbehaviour } from './misbehaviours.ts';

const SLEEPS_AFTER: DurationMs = 4 * SECOND;
/** A call that was pushed and has no INVITE by then is over. */
const INVITE_WITHIN: DurationMs = 4 * SECOND;

/** Something on its screen. */
interface Screen {
  readonly callId: string;
  readonly of: 'push' | 'invite';
  invited: boolean;
}

export class AppPhone extends Phone {
  readonly aor: Aor;
  readonly #wrong: Misbehaviour | undefined;
  readonly #screens: Screen[] = [];
  readonly #legs = new Map<Call, Leg>();
  readonly #pushes = new Set<string>();
  readonly #late: [PushRequest, TokenTruth['kind']][] = [];
  #isOffline = false;
  #others = 0;
  /** The test has begun. */
  #isMeasured = false;
  #awake = 0;
  #port = 20_000;
  /** Of the last call: how many screens there were at once. */
  #most = 0;
  #shownCall = '';
  #missed = 0;
  #missedBefore = 0;
  #shownSilent = false;
  #shownNotice = false;

  constructor(options: PhoneOptions, wrong: Misbehaviour | undefined) {
    super(options);
    this.#wrong = wrong;
    this.aor = options.accounts[0] as Aor;
  }

  #is(wrong: Misbehaviour): boolean {
    return this.#wrong === wrong;
  }

  // ── What the person does and says ──────────────────────────────────────────────────────────────────────────────────

  says(name: QuestionName): 'yes' | 'no' | undefined {
    const word = (yes: boolean) => (yes ? 'yes' : 'no');
    switch (name) {
      case 'answer-now':
        this.#answer();
        return undefined;
      case 'one-screen':
      case 'one-screen-again':
        return word(this.#most === 1);
      case 'silent-before':
      case 'silent-after':
      case 'silent-late':
        return word(this.#screens.length === 0);
      case 'not-missed': {
        const counted = this.#missed - this.#missedBefore;
        return word(this.#screens.length === 0 && counted === 0);
      }
      case 'offline':
        this.#isOffline = true;
        return 'yes';
      case 'online':
        this.#isOffline = false;
        for (const [request, kind] of this.#late.splice(0)) this.pushed(request, kind);
        return 'yes';
      case 'saw-nothing':
        return word(!this.#shownSilent);
      case 'saw-notice':
        return word(this.#shownNotice);
      case 'new-token':
        this.rotate();
        if (!this.#is('keeps its old token')) this.#register();
        this.#stayAwake();
        return 'yes';
      case 'log-out':
        this.#register();
        this.isLoggedOut = true;
        if (!this.#is('stays registered when its user logs out')) this.#unregister();
        return 'yes';
      case 'log-in':
        this.isLoggedOut = false;
        this.#register();
        this.#stayAwake();
        return 'yes';
      case 'ready':
        this.#isMeasured = true;
        return 'yes';
      default:
        return name satisfies never;
    }
  }

  // ── Registering ────────────────────────────────────────────────────────────────────────────────────────────────────

  override open(): void {
    this.#register();
    this.#stayAwake();
  }

  #register(how: 'whole' | 'bare' = 'whole'): void {
    const { pbx, chance } = this.o;
    // Contacts of nobody pile up until the PBX takes no more of them, which is another story.
    if (!this.isAwake && !this.#is('registers without its push parameters')) this.#port = chance.int(20_000, 60_000);
    const uri = this.#contact(how);
    this.listens.set(this.aor, uri);
    pbx.register({ aor: this.aor, uri, phone: this, keeps: false });
  }

  #contact(how: 'whole' | 'bare'): string {
    const head = `sip:${this.aor.slice(0, this.aor.indexOf('@'))}@192.0.2.7:${this.#port};transport=tls`;
    // The simulated PBX takes a contact without `pn-` for a desk phone.
    if (how === 'bare') return `${head};x-pn-none=1`;
    if (this.o.platform === 'android') return `${head};pn-provider=fcm;pn-param=example-project;pn-prid=${this.other}`;
    return `${head};pn-provider=apns;pn-param=TEAM123456.com.example.phone.voip&remote;pn-prid=${this.voip}:voip&${this.other}:remote`;
  }

  #unregister(): void {
    for (const [aor, uri] of [...this.listens]) this.o.pbx.unregister(aor, uri, this);
    this.listens.clear();
  }

  #stayAwake(): void {
    const mine = ++this.#awake;
    this.o.time.after(SLEEPS_AFTER, () => {
      if (mine !== this.#awake || !this.isAwake || this.isLoggedOut) return;
      if (this.#legs.size > 0) return this.#stayAwake();
      if (this.#is('becomes another device in the background') && this.#isMeasured) this.#becomeAnother();
      if (this.#is('logs out when it goes to sleep') && this.#isMeasured) this.#unregister();
      this.sleep();
    });
  }

  /** As after a new install, but that its old tokens live on. */
  #becomeAnother(): void {
    if (++this.#others > 2) return;
    const { voip, other, instance } = this;
    const { chance, tokens } = this.o;
    this.instance = `<urn:uuid:${chance.hex(4)}-${chance.hex(2)}-4000-8000-${chance.hex(6)}>`;
    const fresh = (kind: TokenTruth['kind']) => {
      const token = kind === 'both' ? `f${chance.hex(10)}A:APA91b${chance.hex(20)}` : chance.hex(32);
      tokens.set(token, { token, phone: this, install: this.install, kind });
      return token;
    };
    if (this.o.platform === 'ios') this.voip = fresh('voip');
    this.other = fresh(this.o.platform === 'ios' ? 'other' : 'both');
    this.#port = chance.int(20_000, 60_000);
    this.#register();
    // Its next call finds it as it was.
    this.voip = voip;
    this.other = other;
    this.instance = instance;
  }

  // ── Pushes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  override pushed(request: PushRequest, kind: TokenTruth['kind']): void {
    if (this.isLoggedOut) return;
    if (this.#isOffline) return void this.#late.push([request, kind]);
    const { time, chance } = this.o;
    switch (request.purpose) {
      case 'call':
        return this.#calledBy(request.callId, request.expiresAt < trueWall(time));
      case 'cancel':
        return this.#over(request.callId);
      case 'refresh':
        if (this.#is('shows a silent push')) this.#shownSilent = true;
        if (this.#is('does not come for a silent push')) return;
        time.after(chance.int(300, 8_000), () => {
          this.#register();
          this.#stayAwake();
        });
        return;
      case 'notice':
        if (!this.#is('does not show a notice')) this.#shownNotice = true;
        return;
      default:
        return;
    }
  }

  #calledBy(callId: string, isOld: boolean): void {
    const { time, chance } = this.o;
    if (this.#is('does not come for a call push')) return;
    if (isOld && !this.#is('rings for a push that is too old')) return;
    const isRepeat = this.#pushes.has(callId);
    this.#pushes.add(callId);
    if (isRepeat && !this.#is('shows a repeated push as another call')) return;
    const screen: Screen = { callId, of: 'push', invited: false };
    this.#show(screen);
    const rings = isOld || this.#is('rings for a caller who was gone before it came');
    // Even that ends some time.
    const forMs = rings ? 15 * SECOND : INVITE_WITHIN;
    time.after(forMs, () => !screen.invited && this.#hide(screen));
    if (isOld) return;
    const late = this.#is('comes seven seconds later') ? 7 * SECOND : 0;
    time.after(late + chance.int(150, 900), () => {
      const bare = this.#is('registers without its push parameters');
      this.#register(bare ? 'bare' : 'whole');
      this.#stayAwake();
    });
  }

  // ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  override invited(call: Call, leg: Leg, uri: string): boolean {
    if (this.listens.get(call.aor) !== uri || this.#isOffline) return false;
    const { time, chance } = this.o;
    const isSecond = this.#legs.size > 0;
    const callId = call.callId ?? '';
    if (this.#is('leaves the INVITE without an answer')) return true;
    if (isSecond && this.#is('leaves a second call without an answer')) return true;
    if (this.#is('refuses by itself') && !isSecond) {
      time.after(chance.int(50, 400), () => call.declined(leg, 17));
      return true;
    }
    this.#legs.set(call, leg);
    this.#missedBefore = this.#missed;
    const shown = this.#screens.find((s) => s.callId === callId && !s.invited);
    if (shown && !this.#is('shows a call for the push and one for the INVITE')) shown.invited = true;
    else this.#show({ callId, of: 'invite', invited: true });
    time.after(chance.int(20, 150), () => {
      if (this.#legs.get(call) !== leg) return;
      call.ringing(leg, this, 1);
      if (this.#is('answers by itself')) time.after(chance.int(200, 1_500), () => call.answered(leg));
    });
    return true;
  }

  override uninvited(call: Call, leg: Leg): void {
    if (this.#legs.get(call) !== leg) return;
    this.#legs.delete(call);
    if (call.end === 'elsewhere' && this.#is('counts a call that somebody else took as missed')) this.#missed++;
    if (call.end === 'cancelled' && this.#is('rings on after CANCEL')) {
      this.o.time.after(7 * SECOND, () => this.#over(call.callId ?? ''));
    } else this.#hideCall(call.callId ?? '');
    this.#stayAwake();
  }

  override shownEnded(callId: string): void {
    // Its CANCEL comes while the app is still at its push.
    if (!this.#is('rings for a caller who was gone before it came')) this.#hideCall(callId);
  }

  override forget(): void {}

  override sleep(): void {
    for (const [aor, uri] of this.listens) this.o.pbx.lost(aor, uri, this);
    this.listens.clear();
  }

  #answer(): void {
    if (this.#is('cannot be answered')) return;
    const [first] = this.#legs;
    if (first) this.o.time.after(400, () => first[0].answered(first[1]));
  }

  #show(screen: Screen): void {
    this.#screens.push(screen);
    const same = this.#screens.filter((s) => s.callId === screen.callId).length;
    this.#most = this.#shownCall === screen.callId ? Math.max(this.#most, same) : same;
    this.#shownCall = screen.callId;
  }

  #hide(screen: Screen): void {
    const at = this.#screens.indexOf(screen);
    if (at >= 0) this.#screens.splice(at, 1);
  }

  #hideCall(callId: string): void {
    for (const screen of this.#screens.filter((s) => s.callId === callId)) this.#hide(screen);
  }

  /** The word that a call is over. */
  #over(callId: string): void {
    if (this.#is('rings for a caller who was gone before it came')) return;
    if (this.#is('rings for a push that is too old')) return;
    if (this.#is('rings on after CANCEL') && [...this.#legs.keys()].some((c) => c.callId === callId)) return;
    this.#hideCall(callId);
  }
}
