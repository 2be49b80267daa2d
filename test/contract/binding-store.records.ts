/** Records for the store's tests, with everything in them that a codec could lose. */
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, BindingId } from '../../plugin/core/binding.ts';
import { DAY, HOUR, type Instant, instant, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';

export const NOW = instant(Date.UTC(2026, 0, 5, 12));

export function aorNo(n: number): Aor {
  return `${String(n).padStart(5, '0')}@example.com` as Aor;
}

export function recordOf(aor: Aor, dueAt?: Instant): AorRecord {
  const target = (token: string) => ({ provider: 'apns', app: 'TEAM.org.example', token: new Token(token) });
  return {
    aor,
    version: 0,
    ...(dueAt === undefined ? {} : { dueAt }),
    bindings: [
      {
        id: 'b1' as BindingId,
        createdAt: NOW,
        evidence: { instanceId: 'urn:uuid:1' },
        targets: { call: target(`voip-${aor}`), other: { ...target(`remote-${aor}`), environment: 'sandbox' } },
        contacts: [{ pbx: 'pbx', uri: `sip:${aor};x="東京";pn-prid=a&b`, seenAt: NOW, grantedMs: HOUR }],
        renewedAt: NOW,
        endsAt: plus(NOW, 7 * DAY),
        sent: [{ notice: 'soon', offsetMs: 12 * HOUR, at: NOW, done: true }],
        lastRefreshAt: NOW,
        choice: { policy: 'long' },
        unansweredWakes: 2,
        locale: 'zh-Hant-TW',
        signs: {
          calls: [{ at: NOW, sign: 'received-late', on: true }],
          silent: 1,
          silentSpells: 1,
          lowered: [true],
          askedAt: NOW,
        },
        trouble: { cause: 'demoted', since: NOW, askAgainAt: plus(NOW, HOUR) },
        notBefore: plus(NOW, 1),
        ending: { reason: 'age', since: NOW, notice: 'due', contact: 'gone' },
      },
    ],
    tombstones: [{ id: 'b0' as BindingId, reason: 'dropped', endedAt: NOW, renewedAt: NOW, tokens: ['0123456789ab'] }],
  };
}
