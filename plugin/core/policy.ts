/** Every number the core decides with. The YAML sets them per app and per AOR pattern. These are the defaults. */
import { DAY, type DurationMs, HOUR, MINUTE, SECOND } from './time.ts';

/** Policy of one binding: chosen by its app and its AOR. */
export interface Policy {
  /** Lifetime after a renewal. */
  readonly ttlMs: DurationMs;
  /** Lifetime, in ms, of a binding whose user cannot be notified: the app gave only a VoIP token. */
  readonly unnotifiableTtlMs: DurationMs;
  /** A device reported over HTTP is dropped when its AOR has not registered for this long. */
  readonly neverRegisteredMs: DurationMs;
  /** First refresh push this long before the end; 0 turns refreshes off. Must exceed the largest notice offset. */
  readonly refreshFromMs: DurationMs;
  /** Then one per this. */
  readonly refreshEveryMs: DurationMs;
  /** The first refresh of each binding is put off by up to this, by a hash, so that a site's phones do not wake together. */
  readonly refreshSpreadMs: DurationMs;
  /** No refresh push this long before a notice: APNs keeps one stored push per app, a silent one would displace the notice. */
  readonly quietBeforeNoticeMs: DurationMs;
  /** *Expires soon* notices, each this long before the end. Largest first. */
  readonly noticeOffsetsMs: readonly DurationMs[];
  /**
   * A REGISTER with Expires 0 from an RFC 8599 device: `end` ends the binding, `keep` leaves it (apps that log out in the
   * background). Devices that report over HTTP are always kept: they do just that, and report a removal by itself.
   */
  readonly onUnregister: 'end' | 'keep';
  /** Accepted call pushes in a row without a REGISTER after which the binding ends with a notice; 0 turns the rule off. */
  readonly maxUnansweredWakes: number;
  /** First delay when the PBX could not be asked or the service did not take a notice; doubles up to `putOffMaxMs`. */
  readonly putOffMs: DurationMs;
  readonly putOffMaxMs: DurationMs;
  /** A notice that was saved but whose outcome is unknown (crash) is sent again after this. */
  readonly resendAfterMs: DurationMs;
  /** What an unreachable push service may delay an *expired* notice before the binding ends without it. */
  readonly endingPatienceMs: DurationMs;
  /** An AOR that the PBX no longer knows must be missing this long, asked twice, before its bindings end. */
  readonly aorMissingMs: DurationMs;
  /** More devices than this and the longest silent one goes. */
  readonly maxDevicesPerAor: number;
  /** How long a phone may ring, which is how long a call push is worth delivering. */
  readonly ringTimeMs: DurationMs;
  /** A stored UDP contact younger than this counts as awake and is rung at once. */
  readonly freshContactMs: DurationMs;
  /** A phone that has not registered this long after its call was seen is pushed once more; 0 for never. */
  readonly retryWakeAfterMs: DurationMs;
  /** The same for iOS' VoIP pushes, each of which must become a call on the phone's screen; 0 for never. */
  readonly retryVoipAfterMs: DurationMs;
  /** A phone that registers within this after the end is shown the call that is over: INVITE and CANCEL. 0 for never. */
  readonly showEndedMs: DurationMs;
  /** Ask the user once to open the app when pushes do not wake it as they should. */
  readonly askToOpen: boolean;
  /** Send the user a notice of the calls that the phone slept through. */
  readonly missedCalls: boolean;
  /** A text that nobody fetched is given up after this. */
  readonly textsKeptMs: DurationMs;
  /** Texts that wait for a device at once; further ones take the way they take without pushwake. */
  readonly textsMost: number;
  /** Which new voice messages the user is sent a notice of. */
  readonly voicemail: 'all' | 'urgent' | 'none';
  /** A 603 at one device ends the call for all devices of the account. */
  readonly declineEverywhere: boolean;
}

export const DEFAULT_POLICY: Policy = {
  ttlMs: 7 * DAY,
  unnotifiableTtlMs: 30 * DAY,
  neverRegisteredMs: 12 * HOUR,
  refreshFromMs: 24 * HOUR,
  refreshEveryMs: 1 * HOUR,
  refreshSpreadMs: 2 * HOUR,
  quietBeforeNoticeMs: 10 * MINUTE,
  noticeOffsetsMs: [12 * HOUR, 1 * HOUR],
  onUnregister: 'end',
  maxUnansweredWakes: 3,
  putOffMs: 5 * MINUTE,
  putOffMaxMs: 1 * HOUR,
  resendAfterMs: 2 * MINUTE,
  endingPatienceMs: 24 * HOUR,
  aorMissingMs: 10 * MINUTE,
  maxDevicesPerAor: 10,
  ringTimeMs: 45 * SECOND,
  freshContactMs: 30 * SECOND,
  retryWakeAfterMs: 6 * SECOND,
  retryVoipAfterMs: 0,
  showEndedMs: 10 * SECOND,
  askToOpen: true,
  missedCalls: false,
  textsKeptMs: 7 * DAY,
  textsMost: 100,
  voicemail: 'none',
  declineEverywhere: false,
};

/** `observe` decides and logs, and does nothing: the way to trust it for a week first. */
export type Mode = 'observe' | 'full';
