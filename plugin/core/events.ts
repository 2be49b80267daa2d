/** What reaches the lifecycle (facts, past tense) and what it asks for (effects, imperative). */
import type { AppKey, BindingId, Choice, EndReason, NoticeId, Target, Targets } from './binding.ts';
import type { CallSign, Receipt } from './signs.ts';
import type { DurationMs, Instant } from './time.ts';

/** A contact as a sensor saw it, reduced to what the lifecycle decides on. */
export interface SeenContact {
  readonly pbx: string;
  /** As the PBX stores it. */
  readonly uri: string;
  /** The URI as it was on the wire (HEP), where that is known: it shows push switched on or off, which the stored one may hide. */
  readonly wireUri?: string;
  /** Push parameters stood behind the `>` of the Contact, where they say nothing (seen on the wire). */
  readonly misplaced?: boolean;
  readonly instanceId?: string;
  readonly grantedMs?: DurationMs;
  /** No more than this was granted, in ms: its expiry has moved since a look that is remembered. Absent: not known. */
  readonly grantedAtMostMs?: DurationMs;
  /** The longest `Expires` that the PBX grants for this AOR, in ms. Absent: not known. */
  readonly maximumMs?: DurationMs;
  /** End of the SIP registration. Absent: not known. */
  readonly expiresAt?: Instant;
  /** What the PBX's directory says of the account, also when that is nothing. Absent: this sensor cannot know it, so the previous value is kept. */
  readonly choice?: Choice;
}

/** What the brake stops: nothing, every app, or the apps named. */
export type Braked = 'nothing' | 'everything' | readonly AppKey[];

export type LifecycleEvent =
  /**
   * A contact was seen. `live`: a REGISTER happened at `at` (event, HEP, watch). Otherwise the PBX merely holds it (ask,
   * sweep), which proves a REGISTER no later than `expiresAt − granted`. `binds`: a device that is not known yet becomes a
   * binding by it; false for a question that is asked in order to remove the contact.
   */
  | {
      readonly type: 'ContactSeen';
      readonly contact: SeenContact;
      readonly live: boolean;
      readonly binds: boolean;
      readonly at: Instant;
      /** When we heard of a REGISTER, where that is further from the PBX's `at` than the clocks of one site differ. */
      readonly heardAt?: Instant;
      readonly newId: BindingId;
    }
  | {
      readonly type: 'ContactRemoved';
      readonly pbx: string;
      readonly uri: string;
      readonly at: Instant;
      readonly maximumMs: DurationMs;
    }
  | { readonly type: 'Unregistered'; readonly pbx: string; readonly uri?: string; readonly at: Instant }
  /**
   * Something is due. `held`: the PBXs that own the AOR were asked and their contacts were applied as `ContactSeen` just
   * before; `unknown`: one could not be asked; `missing`: all answered that they know no such AOR. `observing`: nothing is sent, and a
   * notice counts as sent all the same.
   */
  | {
      readonly type: 'Ticked';
      readonly observing: boolean;
      readonly asked: 'held' | 'unknown' | 'missing';
      readonly braked: Braked;
    }
  | {
      readonly type: 'NoticeSettled';
      readonly bindingId: BindingId;
      readonly which: NoticeId;
      /** `observed`: it was only logged. */
      readonly outcome: 'sent' | 'observed' | 'later' | 'misconfigured' | 'lost';
    }
  /** `at`: when the service said so, which may be a moment before it is acted on. `since`: since when it is dead, where the service knows. */
  | {
      readonly type: 'TokenDied';
      readonly bindingId: BindingId;
      readonly token: string;
      readonly at: Instant;
      readonly since?: Instant;
    }
  | { readonly type: 'ContactGone'; readonly bindingId: BindingId; readonly pbx: string; readonly uri: string }
  /**
   * An app reported its tokens over HTTP, with the key of this account. A claim until the AOR registers; `registeredAt`: it
   * did so a moment ago, as far as that was seen.
   */
  | {
      readonly type: 'Reported';
      readonly installId?: string;
      readonly locale?: string;
      readonly targets: Targets;
      readonly at: Instant;
      readonly registeredAt?: Instant;
      readonly newId: BindingId;
    }
  /** The account was removed from the app, which says so by its install id or its tokens (fingerprints). */
  | {
      readonly type: 'ReportWithdrawn';
      readonly installId?: string;
      readonly tokens: readonly string[];
      readonly at: Instant;
    }
  /** A device that reports over HTTP proved that it lives: its receipt for a push, or a REGISTER right after one. */
  | { readonly type: 'ReportedDeviceAnswered'; readonly bindingId: BindingId; readonly at: Instant }
  /** A call push was accepted and the call is over. `sign`: what came of it. */
  | {
      readonly type: 'WakeSettled';
      readonly bindingId: BindingId;
      readonly sign: CallSign | 'rang';
      /** When the call began. */
      readonly startedAt: Instant;
      /** From the call to its REGISTER, where that was seen. */
      readonly afterMs?: DurationMs;
    }
  /** The app of a device confirmed a push. */
  | { readonly type: 'PushReceived'; readonly bindingId: BindingId; readonly receipt: Receipt }
  /** A call is over that this device was pushed for and never came for. `caller`: only where pushes may say it; not kept. */
  | {
      readonly type: 'CallMissed';
      readonly bindingId: BindingId;
      readonly callId: string;
      readonly caller?: { readonly name?: string; readonly number?: string };
    }
  /** What became of the word of it. */
  | { readonly type: 'MissedSettled'; readonly bindingId: BindingId; readonly isOver: boolean }
  /**
   * Texts wait for this device, `count` in all. `found`: after a start, so that it may be known already. `caller`, `text`: of the last, only
   * where pushes may say it; not kept here.
   */
  | {
      readonly type: 'TextsWait';
      readonly bindingId: BindingId;
      readonly count: number;
      readonly found: boolean;
      readonly caller?: { readonly name?: string; readonly number?: string };
      readonly text?: string;
    }
  /** So many are left: the others were delivered, or their time is over. */
  | { readonly type: 'TextsLeft'; readonly bindingId: BindingId; readonly count: number }
  /** What became of the push that says that texts wait. */
  | { readonly type: 'MessageSettled'; readonly bindingId: BindingId; readonly isOver: boolean }
  /**
   * What the account's mailbox holds. `why`: `changed` by a message or its owner; `asked`: somebody asked what it holds, nothing needs to have
   * happened. `caller`: of a new message, only where pushes may say it; not kept.
   */
  | {
      readonly type: 'VoicemailChanged';
      readonly newMessages: number;
      readonly urgent: number;
      readonly why: 'changed' | 'asked';
      readonly caller?: { readonly name?: string; readonly number?: string };
    }
  /** What became of the word of it. */
  | { readonly type: 'VoicemailSettled'; readonly bindingId: BindingId; readonly isOver: boolean }
  /** A refresh push did not reach its service: that the phone does not answer says nothing. */
  | { readonly type: 'RefreshLost'; readonly bindingId: BindingId }
  | { readonly type: 'DropRequested'; readonly bindingId: BindingId };

/** Which notice a user gets; the texts are data. */
export type NoticeName = NoticeId['notice'];

/** The texts that users read. `missed`, `message` and `voicemail` hold `{count}`. */
export type TextName = NoticeName | 'missed' | 'message' | 'voicemail';

/** Why a contact is removed from its PBX: its phone has another one now, its binding has ended, or ended because its service calls the token dead. */
export type WhyRemoved = 'replaced' | 'ended' | 'token-dead';

export type Effect =
  | {
      readonly type: 'sendRefresh';
      readonly bindingId: BindingId;
      readonly target: Target;
      readonly collapseId: string;
      readonly expiresAt: Instant;
      /** One of the last two before the end. */
      readonly urgent?: true;
    }
  | {
      readonly type: 'sendNotice';
      readonly bindingId: BindingId;
      readonly target: Target;
      /** Names this notice in `NoticeSettled`. */
      readonly which: NoticeId;
      readonly endsAt: Instant;
      readonly collapseId: string;
      readonly expiresAt: Instant;
    }
  | {
      readonly type: 'sendMissed';
      readonly bindingId: BindingId;
      readonly target: Target;
      readonly callId: string;
      readonly count: number;
      readonly caller?: { readonly name?: string; readonly number?: string };
      readonly collapseId: string;
      readonly expiresAt: Instant;
    }
  | {
      readonly type: 'sendMessage';
      readonly bindingId: BindingId;
      readonly target: Target;
      readonly count: number;
      readonly caller?: { readonly name?: string; readonly number?: string };
      readonly text?: string;
      readonly collapseId: string;
      readonly expiresAt: Instant;
    }
  /** `seen`: the user reads it, and a silent push before it asks the app to register and to look at its mailbox. */
  | {
      readonly type: 'sendVoicemail';
      readonly bindingId: BindingId;
      readonly target: Target;
      readonly count: number;
      readonly how: 'seen' | 'silent';
      readonly caller?: { readonly name?: string; readonly number?: string };
      readonly collapseId: string;
      readonly expiresAt: Instant;
    }
  /** The device has registered and texts wait for it. `contact` absent: its Contact does not say which device it is. */
  | {
      readonly type: 'deliverTexts';
      readonly bindingId: BindingId;
      readonly contact?: { readonly pbx: string; readonly uri: string };
    }
  /** Only if the contact, read again right before, still carries one of these tokens (fingerprints). */
  | {
      readonly type: 'removeContact';
      readonly bindingId: BindingId;
      readonly pbx: string;
      readonly uri: string;
      readonly tokens: readonly string[];
      readonly why: WhyRemoved;
    }
  /** A contact has push parameters that cannot be read, so it gets no binding. `reason` never holds what the phone wrote. */
  | { readonly type: 'notBound'; readonly pbx: string; readonly reason: string }
  /** Something a person or a CRM may want to know. One stage change, one log line. */
  | {
      readonly type: 'report';
      readonly what: Report;
      readonly bindingId: BindingId;
      readonly reason?: string;
      readonly at: Instant;
    };

export type Report =
  | 'claimed'
  | 'bound'
  | 'renewed'
  | 'token-changed'
  | 'merged'
  | 'warned'
  | 'put-off'
  | 'ending'
  | 'ended'
  | 'revived'
  /** Of its last call pushes fewer than half woke it. */
  | 'wakes-seldom'
  /** It does not come for calls as it should; the reason is the cause. */
  | 'troubled'
  | 'recovered';

export type { EndReason };
