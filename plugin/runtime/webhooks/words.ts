/** Which events are sent to webhooks, and in which words. Pure. Tokens as fingerprints; never who calls. */
import type { AorRecord, Binding } from '../../core/binding.ts';
import type { Effect, Report } from '../../core/events.ts';
import { targetList } from '../../core/identity.ts';
import type { Instant } from '../../core/time.ts';
import { TROUBLES, type TroubleCause } from '../../core/trouble.ts';
import { hasRegistered, type Wake } from '../../core/wake.ts';
import type { EventName } from '../../ports/event-sink.ts';
import type { KeptText } from '../../ports/text-store.ts';

export interface Telling {
  readonly type: EventName;
  readonly at: Instant;
  readonly data: Readonly<Record<string, unknown>>;
}

const TOLD: Readonly<Partial<Record<Report, EventName>>> = {
  bound: 'bound',
  renewed: 'renewed',
  'token-changed': 'renewed',
  revived: 'renewed',
  warned: 'warned',
  ended: 'ended',
  troubled: 'troubled',
  recovered: 'recovered',
};

export function tellingOfReport(record: AorRecord, effect: Extract<Effect, { type: 'report' }>): Telling | undefined {
  const type = TOLD[effect.what];
  if (type === undefined) return undefined;
  const { bindingId, at } = effect;
  const binding = record.bindings.find((b) => b.id === bindingId);
  const buried = record.tombstones.find((t) => t.id === bindingId);
  const reason = type === 'renewed' && effect.what !== 'renewed' ? effect.what : effect.reason;
  return {
    type,
    at,
    data: {
      bindingId,
      ...(reason === undefined ? {} : { reason }),
      ...(type === 'troubled' && binding?.trouble ? wordsOf(binding.trouble.cause) : {}),
      ...(binding ? factsOf(binding) : {}),
      ...(!binding && buried ? { lastSeenAt: iso(buried.renewedAt), tokens: buried.tokens } : {}),
    },
  };
}

/** One for each phone that came, and one for a call nobody took though phones were pushed. */
export function tellingsOfCall(wake: Wake, now: Instant): readonly Telling[] {
  const { callId, pbx, outcome } = wake;
  const woken = wake.devices.filter(hasRegistered).map((d): Telling => {
    const data = { callId, pbx, bindingId: d.bindingId, answered: outcome === 'answered' };
    return { type: 'woken', at: now, data };
  });
  // The call was rung without us, and no event reports how it ends.
  if (wake.devices.length === 0 || wake.status === 'UNAVAILABLE') return woken;
  if (outcome === 'answered' || outcome === 'elsewhere') return woken;
  const pushed = wake.devices.map((d) => ({
    bindingId: d.bindingId,
    push: d.push,
    woken: hasRegistered(d),
    ...(d.refused === undefined || hasRegistered(d) ? {} : { refused: d.refused }),
  }));
  const missed: Telling = {
    type: 'missed',
    at: now,
    data: { callId, pbx, why: whyMissed(wake), devices: pushed },
  };
  return [...woken, missed];
}

/** Never from whom, and nothing of what it says. */
export function tellingOfExpiredText({ pbx, receivedAt, waiting }: KeptText, now: Instant): Telling {
  return { type: 'text-expired', at: now, data: { pbx, receivedAt: iso(receivedAt), devices: waiting } };
}

/** A busy or declining phone is the reason only where nothing else ended the call. */
function whyMissed({ outcome, devices }: Wake): string {
  const isDeclined = outcome === 'gave-up' && devices.some((d) => d.declined !== undefined);
  return isDeclined ? 'declined' : (outcome ?? 'unknown');
}

function wordsOf(of: TroubleCause): Record<string, unknown> {
  const { cause, remedy } = TROUBLES[of];
  return { cause, remedy };
}

function factsOf(b: Binding): Record<string, unknown> {
  const [first] = targetList(b.targets);
  return {
    ...(first ? { service: first.provider, app: first.app } : {}),
    tokens: targetList(b.targets).map((t) => t.token.fingerprint),
    lastSeenAt: iso(b.renewedAt),
    endsAt: iso(b.endsAt),
  };
}

function iso(at: Instant): string {
  return new Date(at).toISOString();
}
