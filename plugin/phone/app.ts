/** The page: what is shown, and what each tap does. `Phone` holds what is so; `draw` shows all of it each time something changes. */
import { add, forgetEverything, keep, kept } from './kept.ts';
import type { Push } from './pushes.ts';
import { type CallView, Line, type LineState } from './sip.ts';
import { isAlive, logIn, report, subscribe, unpack, withdraw } from './subscribe.ts';
import type { Account, PastCall, Subscribed } from './types.ts';
import { wordsFor } from './words.ts';

const words = wordsFor(navigator.languages);
/** A call that was pushed comes by INVITE within moments of the REGISTER; later than this it does not (ms). */
const COMES_WITHIN = 20_000;
/** A browser that cannot reach its push service waits for minutes; then this phone rings while its page is open (ms). */
const PUSH_WITHIN = 10_000;
const CAUSES: Readonly<Record<string, string>> = { Busy: words.busy, 'Not Found': words.notFound };

const $ = <T extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as T;

type Props = Readonly<Record<string, string>>;

function el(name: string, props: Props, ...children: readonly (Node | string)[]): HTMLElement {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(props)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function button(label: string, onTap: () => void, props: Props = {}): HTMLElement {
  const made = el('button', { type: 'button', ...props }, label);
  made.addEventListener('click', onTap);
  return made;
}

/** What a tap on a notification asked for: to answer or decline the call that was pushed with this id, or to see it ring. */
interface Awaited {
  readonly callId: string;
  readonly wish: 'answer' | 'decline' | 'open';
}

class Phone {
  #account: Account | undefined;
  #line: Line | undefined;
  #worker: ServiceWorkerRegistration | undefined;
  #state: LineState = 'connecting';
  #wasRegistered = false;
  #isPushed = false;
  #calls: CallView[] = [];
  #awaited: Awaited | undefined;
  #keypadOf: CallView | undefined;
  readonly #far = new Audio();

  async start(): Promise<void> {
    Object.assign(document.documentElement, { lang: words.lang, dir: words.dir });
    for (const at of document.querySelectorAll<HTMLElement>('[data-word]'))
      at.textContent = words[at.dataset.word as keyof typeof words];
    onSubmit('login', (typed) => void this.#turnOnFirst(typed));
    onSubmit('dialler', (number) => void this.#dial(number.trim()));
    $('allow').addEventListener('click', () => void Notification.requestPermission().then(() => this.#turnOn()));
    $('out').addEventListener('click', () => void this.#logOut());
    addEventListener('hashchange', () => void this.#follow(location.hash.slice(1)));
    addEventListener('pagehide', () => this.#line?.hangUp());
    // Shown again as it was left: its connection is gone.
    addEventListener('pageshow', (event) => (event as PageTransitionEvent).persisted && location.reload());
    navigator.serviceWorker?.addEventListener('message', ({ data }) => {
      if (data.hash !== undefined) void this.#follow(data.hash);
      if (data.push) void this.#pushed(data.push);
    });
    this.#worker = await navigator.serviceWorker?.register('sw.js', { scope: './' }).catch(() => undefined);
    this.#account = await kept('account');
    await this.#follow(location.hash.slice(1));
    await this.#turnOn();
    await this.#reread();
  }

  /** What stands behind the `#`: a code to log in with, or what a notification promised. */
  async #follow(hash: string): Promise<void> {
    if (hash !== '') history.replaceState(null, '', location.pathname);
    const [, wish, callId] = /^(answer|decline|open)=([\w-]{1,64})$/.exec(hash) ?? [];
    if (wish && callId) return this.#await({ callId, wish: wish as Awaited['wish'] });
    const [, code, password = ''] = /^([\w-]{20,64})(?:\.([\w-]*))?$/.exec(hash) ?? [];
    if (code && !this.#account) await this.#logIn(code, password);
  }

  // ── The account ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #logIn(code: string, password: string): Promise<void> {
    const answer = await logIn(code);
    if (!answer?.ok) return this.#say(words.linkIsOver);
    const { aor, user, realm, wss, key, vapidPublicKey } = await answer.json();
    const secret = new TextDecoder().decode(unpack(password));
    const installId = crypto.randomUUID();
    this.#account = { aor, user, realm, wss, key, vapidPublicKey, password: secret, installId };
    if (secret !== '') await keep('account', this.#account);
  }

  /** By a tap: browsers ask for the microphone and for notifications only then. */
  async #turnOnFirst(password: string): Promise<void> {
    if (!this.#account) return;
    this.#account = { ...this.#account, password };
    await keep('account', this.#account);
    if ('Notification' in globalThis) await Notification.requestPermission();
    await this.#hasMicrophone();
    await this.#turnOn();
  }

  async #turnOn(): Promise<void> {
    this.#draw();
    const account = this.#account;
    if (!account?.password) return;
    const asked = this.#worker && navigator.serviceWorker.ready.then((worker) => subscribe(worker, account));
    const late = new Promise<undefined>((done) => setTimeout(done, PUSH_WITHIN));
    const to = await Promise.race([asked, late]).catch(() => undefined);
    if (to) await keep('subscribed', to);
    this.#line?.close();
    this.#line = new Line(account, to, {
      state: (state) => void this.#lineIs(state, to),
      call: (call) => this.#callIs(call),
      audio: (stream) => {
        this.#far.srcObject = stream;
        void this.#far.play();
      },
      text: (id, from, text) => void add('texts', { id, at: Date.now(), from, text }).then(() => this.#reread()),
    });
  }

  async #logOut(): Promise<void> {
    this.#line?.logOut();
    if (this.#account) await withdraw(this.#account).catch(() => undefined);
    await (await this.#worker?.pushManager?.getSubscription())?.unsubscribe();
    await forgetEverything();
    location.replace(location.pathname);
  }

  /** It may be closed only when pushwake knows where it is pushed. */
  async #lineIs(state: LineState, to: Subscribed | undefined): Promise<void> {
    this.#state = state === 'registered' ? 'connecting' : state;
    if (state === 'registered' && this.#account) {
      this.#wasRegistered = true;
      this.#isPushed = to !== undefined && (await report(this.#account, to).catch(() => false));
      // It may be lost meanwhile.
      if (this.#state === 'connecting') this.#state = state;
    }
    this.#draw();
  }

  // ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Its INVITE may be here, or come within moments of our REGISTER. */
  #await(awaited: Awaited): void {
    const here = this.#calls.find((c) => c.pushId === awaited.callId && c.state === 'ringing');
    if (here) return this.#do(here, awaited.wish);
    this.#awaited = awaited;
    setTimeout(() => this.#giveUp(awaited.callId), COMES_WITHIN);
    this.#draw();
  }

  #giveUp(callId: string | undefined): void {
    if (this.#awaited?.callId !== callId) return;
    this.#awaited = undefined;
    this.#say(words.callIsOver);
  }

  #do(call: CallView, wish: Awaited['wish']): void {
    if (wish === 'decline') this.#line?.end(call);
    else if (wish === 'answer') void this.#answer(call);
  }

  async #answer(call: CallView): Promise<void> {
    if (await this.#hasMicrophone()) this.#line?.answer(call);
  }

  async #dial(number: string): Promise<void> {
    if (number !== '' && (await this.#hasMicrophone())) this.#line?.dial(number);
  }

  /** Asked before each call: without it JsSIP would refuse the INVITE, and nobody would know why. */
  async #hasMicrophone(): Promise<boolean> {
    const stream = await navigator.mediaDevices?.getUserMedia({ audio: true }).catch(() => undefined);
    for (const track of stream?.getTracks() ?? []) track.stop();
    if (!stream) this.#say(words.noMicrophone);
    return stream !== undefined;
  }

  #callIs(call: CallView): void {
    const awaited = this.#awaited;
    if (!this.#calls.includes(call)) {
      this.#calls = [...this.#calls, call];
      // A PBX that puts no X-Push-ID into its INVITE: the only call there is will be the one.
      if (call.direction === 'in' && awaited && (call.pushId ?? awaited.callId) === awaited.callId) {
        this.#awaited = undefined;
        this.#do(call, awaited.wish);
      }
    }
    if (call.state === 'over') void this.#isOver(call);
    else if (call.state !== 'ringing') void this.#takeAway(call.pushId);
    this.#draw();
  }

  async #isOver(call: CallView): Promise<void> {
    const { pushId, id, direction, cause = '', elsewhere } = call;
    this.#calls = this.#calls.filter((c) => c !== call);
    this.#say(CAUSES[cause] ?? '');
    const how = direction === 'out' ? 'out' : cause === 'Terminated' ? 'in' : elsewhere ? 'elsewhere' : 'missed';
    await this.#takeAway(pushId);
    if (pushId !== undefined) await add('over', pushId);
    await add('calls', { id: pushId ?? id, at: Date.now(), with: call.with || undefined, how });
    await this.#reread();
  }

  async #takeAway(tag = ''): Promise<void> {
    for (const n of (await this.#worker?.getNotifications({ tag })) ?? []) if (n.tag === tag) n.close();
  }

  async #pushed(push: Push): Promise<void> {
    const { type, callId } = push;
    const isOver = type === 'cancel' || (type === 'call' && (await isAlive(push, 1_500)) === false);
    if (isOver) this.#giveUp(callId);
    await this.#reread();
  }

  // ── What is shown ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #reread(): Promise<void> {
    const past = (await kept('calls')) ?? [];
    const none = el('li', { class: 'state' }, words.noCalls);
    $('past').replaceChildren(...(past.length > 0 ? past.map(pastCall) : [none]));
    const texts = (await kept('texts')) ?? [];
    $('messages').hidden = texts.length === 0;
    $('texts').replaceChildren(...texts.map(({ from, text, at }) => line([apart(from), ': ', apart(text)], at)));
    this.#draw();
  }

  #say(what: string): void {
    $('said').textContent = what;
    $('said').hidden = what === '';
    this.#draw();
  }

  #draw(): void {
    const isOn = (this.#account?.password ?? '') !== '';
    $('aor').textContent = this.#account?.aor ?? words.phone;
    $('state').textContent = isOn ? this.#stateInWords() : this.#account ? '' : words.welcome;
    $('state').className = isOn && /refused|offline/.test(this.#state) ? 'state trouble' : 'state';
    const permission = 'Notification' in globalThis ? Notification.permission : undefined;
    $('push').textContent = permission === undefined ? words.homeScreen : words.noNotifications;
    $('push').hidden = !isOn || permission === 'granted' || permission === 'default';
    $('allow').hidden = !isOn || permission !== 'default';
    $('login').hidden = !this.#account || (isOn && this.#state !== 'refused');
    $('home').hidden = !isOn;
    $('awaited').hidden = this.#awaited === undefined;
    const focused = document.activeElement?.getAttribute('data-key');
    $('cards').replaceChildren(...this.#calls.map((call) => this.#card(call)));
    if (focused) document.querySelector<HTMLElement>(`[data-key="${focused}"]`)?.focus();
  }

  #stateInWords(): string {
    const ready = this.#isPushed ? words.ready : words.readyOpenOnly;
    const offline = this.#wasRegistered ? words.offline : words.wrongCertificate;
    return { connecting: words.registering, registered: ready, refused: words.refused, offline }[this.#state];
  }

  #card(call: CallView): Node {
    const { state, held, muted, id } = call;
    const { incomingCall: ringing, calling, connecting, ringing: alerting } = words;
    const text = { ringing, calling, alerting, connecting, talking: held ? words.held : words.talking, over: '' }[
      state
    ];
    const key = (what: string) => ({ 'data-key': `${what} ${id}` });
    const toggle = (label: string, on: boolean, onTap: () => void) =>
      button(label, onTap, { 'aria-pressed': String(on), ...key(label) });
    const isKeypad = this.#keypadOf === call && state === 'talking';
    const onKeypad = () => {
      this.#keypadOf = isKeypad ? undefined : call;
      this.#draw();
    };
    const isTalking = state === 'talking';
    const buttons = [
      ...(state === 'ringing' ? [button(words.answer, () => void this.#answer(call), { class: 'go' })] : []),
      ...(isTalking ? [toggle(muted ? words.unmute : words.mute, muted, () => this.#line?.mute(call, !muted))] : []),
      ...(isTalking ? [toggle(held ? words.resume : words.hold, held, () => this.#line?.hold(call, !held))] : []),
      ...(isTalking ? [toggle(words.keypad, isKeypad, onKeypad)] : []),
      button(state === 'ringing' ? words.decline : words.hangUp, () => this.#line?.end(call), {
        class: 'stop',
        ...key('end'),
      }),
    ];
    const digits = isKeypad
      ? [...'123456789*0#'].map((digit) => button(digit, () => this.#line?.tone(call, digit)))
      : [];
    return el(
      'section',
      { class: 'card' },
      el('p', { role: state === 'ringing' ? 'alert' : 'status' }, text),
      el('strong', {}, apart(call.with || words.unknown)),
      el('div', { class: 'row' }, ...buttons),
      el('div', { class: 'keys' }, ...digits),
    );
  }
}

function onSubmit(form: string, onText: (text: string) => void): void {
  $(form).addEventListener('submit', (event) => {
    event.preventDefault();
    const field = $(form).querySelector('input') as HTMLInputElement;
    onText(field.value);
    field.value = '';
  });
}

/** A number or a name has a direction of its own: in a page from right to left, `+49…` would end with its `+`. */
const apart = (text: string): Node => el('bdi', {}, text);

function line(parts: readonly (Node | string)[], at: number, title = ''): Node {
  const when = new Date(at);
  const shown = when.toLocaleString([], { dateStyle: 'short', timeStyle: 'short' });
  return el('li', { title }, el('span', {}, ...parts), el('time', { datetime: when.toISOString() }, shown));
}

function pastCall({ at, with: who, how }: PastCall): Node {
  const title = { in: words.talking, out: words.call, missed: words.missedCall, elsewhere: words.elsewhere }[how];
  return line([`${{ in: '↙', out: '↗', missed: '✕', elsewhere: '⇄' }[how]} `, apart(who ?? words.unknown)], at, title);
}

void new Phone().start();
