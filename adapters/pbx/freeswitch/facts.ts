/** What FreeSWITCH tells, as facts: of registrations, of calls that wait, of the channels of those calls. Types only. */
import type { Choice } from '../../../plugin/core/binding.ts';
import type { Caller, Said } from './calls/dial.ts';
import type { Exports } from './calls/exports.ts';

/** Who left a voice message. */
export interface LeftBy {
  readonly name?: string;
  readonly number?: string;
}

export type FsFact =
  | {
      readonly fact: 'registered';
      readonly profile: string;
      /** `user@domain`. */
      readonly user: string;
      readonly contact: string;
      readonly callId: string;
      readonly grantedSeconds?: number;
      readonly agent?: string;
      /** Absent: the directory says nothing of us. */
      readonly choice?: Choice;
      readonly atEpochMs: number;
    }
  /** `contact` absent: `Contact: *`; only what has this Call-ID is meant, and in contact mode even that stays. */
  | {
      readonly fact: 'unregistered';
      readonly profile: string;
      readonly user: string;
      readonly callId: string;
      readonly contact?: string;
      readonly atEpochMs: number;
    }
  /** Its time was over, or somebody flushed it: FreeSWITCH does not say which. */
  | {
      readonly fact: 'expired';
      readonly profile: string;
      readonly user: string;
      readonly contact: string;
      readonly callId: string;
      /** Late margin included; in the future when it was flushed. */
      readonly expiresEpochMs: number;
      readonly atEpochMs: number;
    }
  /** A REGISTER with credentials that FreeSWITCH answered 403: a wrong password, or too many contacts. Anybody can cause it. */
  | {
      readonly fact: 'refused';
      readonly profile: string;
      /** As the phone wrote it into its To: `domain` need not be the one that FreeSWITCH files the account in. */
      readonly user: string;
      readonly domain: string;
      readonly atEpochMs: number;
    }
  /** `seen`: the dialplan went on without waiting for anybody. */
  | {
      readonly fact: 'call' | 'seen';
      readonly aor: string;
      /** The node that holds the lease. */
      readonly node: string;
      readonly caller: Caller;
      readonly linkedId: string;
      readonly startedEpochMs: number;
      /** The dialplan context that holds our extensions. */
      readonly context: string;
      /** An attendant, an IVR or a click in a web page answered him already. */
      readonly answered: boolean;
      readonly exports: Exports;
      /**
       * What the dialplan would dial without us: `user/1001@example.com,user/1002@example.com`. Absent: it rings others besides, and cannot
       * be handed back to FreeSWITCH as it is.
       */
      readonly dial?: string;
      /** What the directory says of the account, worked out for this caller; absent: the dialplan does not tell it. */
      readonly said?: Said;
      /** The dialplan says itself what becomes of early media. */
      readonly saysEarlyMedia: boolean;
      readonly failsOn?: string;
      /** Of the bridge that will follow. */
      readonly timeoutSeconds?: number;
    }
  | { readonly fact: 'legDials' | 'legRinging' | 'legAnswered'; readonly ref: string; readonly uuid: string }
  /** `byPhone`: a SIP answer came, and not one that FreeSWITCH makes itself when a phone cannot be reached. */
  | {
      readonly fact: 'legEnded';
      readonly ref: string;
      readonly uuid: string;
      readonly cause: string;
      readonly byPhone: boolean;
    }
  /** The caller's dial string is being rung. */
  | { readonly fact: 'holdBegan'; readonly caller: string }
  | { readonly fact: 'holdEnded'; readonly caller: string; readonly uuid: string; readonly cause: string }
  /** `byPhone`: what answered is what the dialplan dials, rather than a voicemail that follows it. */
  | { readonly fact: 'callerAnswered'; readonly caller: string; readonly byPhone: boolean }
  | { readonly fact: 'callerEnded'; readonly caller: string; readonly cause: string }
  /** A phone that came too late has heard of the call, or has gone. */
  | { readonly fact: 'lateHeard' | 'lateEnded'; readonly uuid: string }
  /** The chatplan took a text for us. */
  | { readonly fact: 'text'; readonly id: string; readonly value: string }
  /** What a phone answered to a text that we sent; 0: nothing. */
  | { readonly fact: 'textReport'; readonly mark: string; readonly status: number }
  | {
      readonly fact: 'mailbox';
      readonly user: string;
      readonly newMessages: number;
      readonly urgent: number;
      readonly why: 'changed' | 'asked';
    }
  /** Somebody left a voice message. */
  | { readonly fact: 'messageLeft'; readonly user: string; readonly caller: LeftBy }
  /** A background command failed; `job` is the channel it was to make. */
  | { readonly fact: 'jobFailed'; readonly job: string; readonly reason: string };

export type CallFact = Extract<FsFact, { fact: 'call' | 'seen' }>;
/** What happened to a channel, or to a background command that was to make one. */
export type ChannelFact = Exclude<
  FsFact,
  | CallFact
  | { fact: 'registered' | 'unregistered' | 'expired' | 'refused' | 'text' | 'textReport' | 'mailbox' | 'messageLeft' }
>;
