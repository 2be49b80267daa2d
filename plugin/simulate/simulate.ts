/**
 * Plays a story against the real core on a clock of its own: every push with its reason, in a second instead of a week.
 * The story sets what the phone, the PBX and the push service do; what pushwake does is decided by `core/lifecycle.ts`.
 */
import { type Aor, parseAor } from '../core/aor.ts';
import { type AorRecord, type BindingId, emptyRecord } from '../core/binding.ts';
import type { Effect, LifecycleEvent, NoticeName } from '../core/events.ts';
import type { PolicyFor } from '../core/lifecycle.ts';
import { transition } from '../core/lifecycle.ts';
import { between, DAY, HOUR, type Instant, MINUTE, plus, SECOND } from '../core/time.ts';
import { heldFact, seenFact } from '../runtime/intake.ts';
import type { Coming, Span, Story } from './story.ts';

export interface TimelineEntry {
  readonly at: Instant;
  /** Who does it. */
  readonly who: 'phone' | 'PBX' | 'pushwake';
  readonly what: string;
  readonly why?: string;
}

/** Asterisk sweeps expired contacts every 30 s. */
const SWEEP = 20 * SECOND;
/** A phone that is on needs about this long to wake and register. */
const WAKE_TAKES = 2 * SECOND;
const STEPS_MAX = 100_000;

export function simulate(
  story: Story,
  policyFor: PolicyFor,
  aor: Aor = parseAor('1001@example.com') as Aor,
): TimelineEntry[] {
  const world = new World(story, policyFor, aor);
  return world.play();
}

class World {
  readonly #story: Story;
  readonly #policyFor: PolicyFor;
  readonly #timeline: TimelineEntry[] = [];
  readonly #end: Instant;
  #record: AorRecord;
  #now: Instant;
  #contact: { uri: string; expiresAt: Instant } | undefined;
  /** What the phone will do, earliest first. */
  #plans: { at: Instant; what: string; open: boolean }[] = [];
  #comes: { what: Coming; at: Instant }[];
  #texts = 0;
  #voiceMessages = 0;
  #missed = 0;
  #starts = 0;
  /** A refresh nobody asked for is happening: a hundred lines of "renewed" would hide the story. */
  #quiet = false;

  constructor(story: Story, policyFor: PolicyFor, aor: Aor) {
    this.#story = story;
    this.#policyFor = policyFor;
    this.#record = emptyRecord(aor);
    this.#now = story.registeredAt;
    this.#end = plus(story.registeredAt, story.lastsMs);
    this.#plan(story.registeredAt, 'REGISTER', true);
    this.#comes = [...story.comes].sort((a, b) => a.at - b.at);
    for (const at of story.opens) this.#plan(at, 'the app is opened: REGISTER', true);
    const every = story.refreshesEveryMs;
    if (every) {
      const until = story.refreshesUntil ?? this.#end;
      for (let at = plus(story.registeredAt, every); at <= until; at = plus(at, every))
        this.#plan(at, 'quiet refresh', false);
    }
  }

  play(): TimelineEntry[] {
    for (let i = 0; i < STEPS_MAX; i++) {
      const plan = this.#plans[0];
      const due = this.#record.dueAt === undefined ? undefined : this.#awake(latestOf(this.#record.dueAt, this.#now));
      const swept = this.#contact && plus(this.#contact.expiresAt, SWEEP);
      const candidates: [Instant | undefined, () => void][] = [
        [plan?.at, () => this.#register()],
        [this.#comes[0]?.at, () => this.#come()],
        [swept, () => this.#expire()],
        [due, () => this.#tick()],
      ];
      const next = candidates
        .filter((c): c is [Instant, () => void] => c[0] !== undefined)
        .sort((a, b) => a[0] - b[0])[0];
      if (!next || next[0] > this.#end) break;
      this.#now = latestOf(this.#now, next[0]);
      next[1]();
    }
    return this.#timeline;
  }

  #say(who: TimelineEntry['who'], what: string, why?: string): void {
    this.#timeline.push({ at: this.#now, who, what, ...(why === undefined ? {} : { why }) });
  }

  #plan(at: Instant, what: string, open: boolean): void {
    this.#plans.push({ at, what, open });
    this.#plans.sort((a, b) => a.at - b.at);
  }

  /** The first instant at or after `at` when pushwake runs. */
  #awake(at: Instant): Instant | undefined {
    const span = this.#story.pushwakeDown.find((s) => isIn(s, at));
    if (!span) return at;
    return span.to;
  }

  #register(): void {
    const plan = this.#plans.shift();
    if (!plan) return;
    if (this.#story.off.some((s) => isIn(s, this.#now))) {
      if (plan.what !== 'quiet refresh') this.#say('phone', `${plan.what}: not now, it is off`);
      return;
    }
    if (this.#story.pbxDown.some((s) => isIn(s, this.#now)))
      return this.#say('phone', `${plan.what}: no answer, the PBX is down`);
    if (plan.open || !this.#contact) this.#starts++;
    const uri = this.#uri();
    const left = this.#contact && this.#contact.uri !== uri;
    this.#contact = { uri, expiresAt: plus(this.#now, this.#story.grantedMs) };
    if (plan.what !== 'quiet refresh')
      this.#say('phone', plan.what, left ? 'a new connection: the contact before it stays behind' : undefined);
    if (this.#awake(this.#now) !== this.#now) return;
    this.#quiet = plan.what === 'quiet refresh';
    const contact = { pbx: 'pbx', aor: this.#record.aor, uri, expiresAt: this.#contact.expiresAt };
    const { grantedMs } = this.#story;
    this.#apply(
      seenFact({ type: 'contactSeen', contact, how: 'event', at: this.#now, grantedMs }, this.#id(), this.#now),
    );
  }

  /** Something that is no call. */
  #come(): void {
    const what = this.#comes.shift()?.what;
    if (!what) return;
    this.#say('PBX', what);
    if (this.#awake(this.#now) !== this.#now) return this.#say('pushwake', `${what}: it is down, as without pushwake`);
    const bindingId = this.#record.bindings[0]?.id;
    if (!bindingId) return this.#say('pushwake', `${what}: no device that can be woken`);
    const before = this.#timeline.length;
    switch (what) {
      case 'text':
        this.#texts++;
        this.#apply({ type: 'TextsWait', bindingId, count: this.#texts, found: false });
        break;
      case 'voice message':
      case 'voice messages heard':
        this.#voiceMessages = what === 'voice message' ? this.#voiceMessages + 1 : 0;
        this.#apply({ type: 'VoicemailChanged', newMessages: this.#voiceMessages, urgent: 0, why: 'changed' });
        break;
      case 'missed call':
        this.#apply({ type: 'CallMissed', bindingId, callId: `missed-${++this.#missed}` });
        break;
      case 'custom push':
        if (this.#record.bindings[0]?.targets.other) this.#say('pushwake', 'push of the site’s own');
        break;
      default:
        what satisfies never;
    }
    if (this.#timeline.length === before) this.#say('pushwake', `${what}: nothing is sent`, this.#whyNothing(what));
  }

  #whyNothing(what: Coming): string {
    const binding = this.#record.bindings[0];
    if (binding && !binding.targets.other) return 'the app gave only a token for calls';
    if (what === 'text') return 'a push went out less than 10 s ago';
    return 'the policy wants no word of it, or nothing has changed';
  }

  #expire(): void {
    this.#quiet = false;
    const contact = this.#contact;
    this.#contact = undefined;
    if (!contact || this.#story.pbxDown.some((s) => isIn(s, this.#now))) return;
    if (this.#awake(this.#now) !== this.#now) return;
    this.#apply({ type: 'ContactRemoved', pbx: 'pbx', uri: contact.uri, at: this.#now, maximumMs: 2 * HOUR });
  }

  #tick(): void {
    this.#quiet = false;
    const unknown = this.#story.pbxDown.some((s) => isIn(s, this.#now));
    const contact = this.#contact;
    if (!unknown && contact && contact.expiresAt > this.#now) {
      const held = { pbx: 'pbx', aor: this.#record.aor, ...contact };
      this.#apply(heldFact(held, this.#now, this.#id(), { binds: true }));
    }
    this.#apply({ type: 'Ticked', observing: false, asked: unknown ? 'unknown' : 'held', braked: 'nothing' });
  }

  #apply(event: LifecycleEvent): void {
    const t = transition(this.#record, event, this.#now, this.#policyFor);
    this.#record = t.record;
    for (const effect of t.effects) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    if (effect.type === 'notBound') return;
    const binding = this.#record.bindings.find((b) => b.id === effect.bindingId);
    const left = binding ? inDays(between(this.#now, binding.endsAt)) : '';
    const pushDown = this.#story.pushDown.some((s) => isIn(s, this.#now));
    const down = pushDown ? 'the push service is down' : undefined;
    switch (effect.type) {
      case 'sendRefresh':
        this.#say(
          'pushwake',
          'silent push: please register',
          `${left} left${pushDown ? '; the push service is down' : ''}`,
        );
        if (!pushDown && this.#story.answersRefreshes && !this.#story.off.some((s) => isIn(s, this.#now))) {
          this.#plan(plus(this.#now, WAKE_TAKES), 'woken by the silent push: REGISTER', true);
        }
        return;
      case 'sendNotice':
        this.#say(
          'pushwake',
          NOTICES[effect.which.notice],
          `${effect.which.notice === 'expired' ? 'the end has come' : `${inDays(between(this.#now, effect.endsAt))} left`}${pushDown ? '; the push service is down' : ''}`,
        );
        return this.#apply({
          type: 'NoticeSettled',
          bindingId: effect.bindingId,
          which: effect.which,
          outcome: pushDown ? 'later' : 'sent',
        });
      case 'sendMissed':
        this.#say('pushwake', `notice to the user: missed calls: ${effect.count}`, down);
        return this.#apply({ type: 'MissedSettled', bindingId: effect.bindingId, isOver: !pushDown });
      case 'sendMessage':
        this.#say('pushwake', `notice to the user: new messages: ${effect.count}`, down);
        if (!pushDown && this.#story.answersRefreshes && !this.#story.off.some((s) => isIn(s, this.#now))) {
          this.#plan(plus(this.#now, WAKE_TAKES), 'woken by the push of a text: REGISTER', true);
        }
        return this.#apply({ type: 'MessageSettled', bindingId: effect.bindingId, isOver: !pushDown });
      case 'sendVoicemail':
        this.#say(
          'pushwake',
          effect.how === 'seen'
            ? `notice to the user: new voice messages: ${effect.count}`
            : `silent push: voice messages left: ${effect.count}`,
          down,
        );
        return this.#apply({ type: 'VoicemailSettled', bindingId: effect.bindingId, isOver: !pushDown });
      case 'deliverTexts':
        this.#say('pushwake', `texts delivered: ${this.#texts}`);
        this.#texts = 0;
        return this.#apply({ type: 'TextsLeft', bindingId: effect.bindingId, count: 0 });
      case 'removeContact':
        this.#say(
          'pushwake',
          'contact removed from the PBX',
          effect.why === 'replaced' ? 'the phone has left it behind' : 'the binding has ended',
        );
        if (this.#contact?.uri === effect.uri) this.#contact = undefined;
        return this.#apply({ type: 'ContactGone', bindingId: effect.bindingId, pbx: 'pbx', uri: effect.uri });
      case 'report':
        if (effect.what === 'bound' && binding) this.#say('pushwake', 'binding made', `it lives for ${left}`);
        else if (effect.what === 'renewed' && binding && !this.#quiet)
          this.#say('pushwake', 'binding renewed', `it lives for ${left}`);
        else if (effect.what === 'revived' && binding) this.#say('pushwake', 'binding lives on', `for ${left}`);
        else if (effect.what === 'troubled' || effect.what === 'recovered')
          this.#say('pushwake', effect.what === 'troubled' ? 'device troubled' : 'device well again', effect.reason);
        else if (effect.what === 'put-off') this.#say('pushwake', 'put off', effect.reason);
        else if (effect.what === 'ended') this.#say('pushwake', 'binding gone', effect.reason);
        return;
      default:
        effect satisfies never;
    }
  }

  #id(): BindingId {
    return 'simulated0000001' as BindingId;
  }

  /** Each start of the app is a new connection, so a new contact. */
  #uri(): string {
    const { app } = this.#story;
    const voip = 'a'.repeat(64);
    const other = 'b'.repeat(64);
    const params =
      app === 'android'
        ? 'pn-provider=fcm;pn-param=project;pn-prid=c:d'
        : app === 'voip'
          ? `pn-provider=apns;pn-param=TEAM123456.com.example.phone.voip;pn-prid=${voip}`
          : `pn-provider=apns;pn-param=TEAM123456.com.example.phone.voip&remote;pn-prid=${voip}:voip&${other}:remote`;
    return `sip:1001@192.0.2.1:${40_000 + this.#starts};transport=tls;${params}`;
  }
}

const NOTICES: Readonly<Record<NoticeName, string>> = {
  soon: 'notice to the user: expires soon',
  expired: 'notice to the user: expired',
  open: 'notice to the user: open the app',
};

const isIn = (span: Span, at: Instant): boolean => at >= span.from && (span.to === undefined || at < span.to);
const latestOf = (a: Instant, b: Instant): Instant => (a > b ? a : b);

/** `day 7 Sun 21:00`, UTC, counted from the first day of the story. */
export function stamp(at: Instant, first: Instant): string {
  const day = Math.floor(at / DAY) - Math.floor(first / DAY);
  return `day ${String(day).padStart(2)}  ${new Date(at).toLocaleDateString('en-GB', { weekday: 'short', timeZone: 'UTC' })} ${new Date(at).toISOString().slice(11, 16)}`;
}

function inDays(ms: number): string {
  if (ms >= DAY) return `${+(ms / DAY).toFixed(1)} d`;
  if (ms >= HOUR) return `${+(ms / HOUR).toFixed(1)} h`;
  return `${Math.max(0, Math.round(ms / MINUTE))} min`;
}
