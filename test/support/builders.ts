/** Records with role names for tests: a fixed reference instant, readable offsets, one binding unless said otherwise. */
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, Binding, BindingId, SentNotice, Targets } from '../../plugin/core/binding.ts';
import type { Effect } from '../../plugin/core/events.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { between, DAY, type DurationMs, HOUR, type Instant, instant, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';

/** Monday, 2026-03-02 09:00 UTC. */
export const MONDAY = instant(Date.UTC(2026, 2, 2, 9));
export const AOR = '1001@example.com' as Aor;
export const VOIP = 'a'.repeat(64);
export const OTHER = 'b'.repeat(64);
export const APP = 'TEAM123456.com.example.phone';

/** Of an iOS Linphone. */
export const apnsPair = (voip = VOIP, other = OTHER): Targets => ({
  call: { provider: 'apns', app: APP, token: new Token(voip), library: 'liblinphone' },
  other: { provider: 'apns', app: APP, token: new Token(other), library: 'liblinphone' },
});
export const voipOnly = (): Targets => ({ call: { provider: 'apns', app: APP, token: new Token(VOIP) } });

/** A contact of an iOS Linphone, as Asterisk stores it. */
export const contactUri = (o: { port?: number; voip?: string; other?: string; transport?: string } = {}): string =>
  `sip:1001@192.0.2.7:${o.port ?? 40001};transport=${o.transport ?? 'tls'};pn-provider=apns;pn-param=${APP}.voip&remote;pn-prid=${o.voip ?? VOIP}:voip&${o.other ?? OTHER}:remote`;

export const BINDING = '00000000000000b1' as BindingId;

/** The binding of a phone that registered so long ago that `left` remains at `now`. */
export function bindingEndingIn(
  left: DurationMs,
  now: Instant,
  change: Partial<Binding> = {},
  policy: Policy = DEFAULT_POLICY,
): Binding {
  const lifetime = (change.targets ?? apnsPair()).other ? policy.ttlMs : policy.unnotifiableTtlMs;
  const renewedAt = plus(now, left - lifetime);
  return {
    id: BINDING,
    createdAt: renewedAt,
    evidence: {},
    targets: apnsPair(),
    contacts: [{ pbx: 'office', uri: contactUri(), seenAt: renewedAt, grantedMs: HOUR }],
    choice: undefined,
    renewedAt,
    endsAt: plus(now, left),
    sent: [],
    unansweredWakes: 0,
    ...change,
  };
}

export const warned = (offset: DurationMs, at: Instant, done = true): SentNotice => ({
  notice: 'soon',
  offsetMs: offset,
  at,
  done,
});

export function recordOf(...bindings: Binding[]): AorRecord {
  return { aor: AOR, version: 1, bindings, tombstones: [] };
}

const ago = (ms: DurationMs): string =>
  ms >= DAY
    ? `${+(ms / DAY).toFixed(2)} d`
    : ms >= HOUR
      ? `${+(ms / HOUR).toFixed(2)} h`
      : `${+(ms / 60_000).toFixed(2)} min`;

/** An effect in words, for tables and the generated page. */
export function inWords(effect: Effect, now: Instant): string {
  switch (effect.type) {
    case 'sendRefresh':
      return 'refresh push';
    case 'sendNotice':
      return effect.which.notice === 'expired'
        ? 'notice *expired*'
        : effect.which.notice === 'open'
          ? 'notice *open the app*'
          : `notice *expires soon*, ${ago(between(now, effect.endsAt))} before the end`;
    case 'sendMissed':
      return `notice *missed calls: ${effect.count}*`;
    case 'sendMessage':
      return `notice *new messages: ${effect.count}*`;
    case 'sendVoicemail':
      return effect.how === 'seen'
        ? `notice *new voice messages: ${effect.count}*`
        : 'silent push: voice messages heard';
    case 'deliverTexts':
      return 'texts delivered';
    case 'removeContact':
      if (effect.why === 'replaced') return 'the contact it left behind removed from the PBX';
      return effect.why === 'ended'
        ? 'contact removed from the PBX'
        : 'contact left to expire within a day, or removed from the PBX';
    case 'report':
      return `(${effect.what}${effect.reason ? `: ${effect.reason}` : ''})`;
    case 'notBound':
      return `(not bound: ${effect.reason})`;
    default:
      return effect satisfies never;
  }
}
