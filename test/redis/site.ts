/** What several node processes on one Redis have in common: records that are due, and how each node is told what to do. */
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, BindingId } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { bindingDueAt } from '../../plugin/core/schedule.ts';
import { HOUR, type Instant, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { BindingStore } from '../../plugin/ports/binding-store.ts';

export interface NodeJob {
  readonly url: string;
  readonly prefix: string;
  /**
   * `due`: serves what is due until it is ended. `renew`: as many renewals as `count`, then ends. `bare`: for each of `count` accounts one GET, one
   * SET of a row as long as ours and one ZADD, and nothing else: what a renewal is compared with.
   */
  readonly job: 'due' | 'renew' | 'bare';
  /** Of `bare`: how many accounts go to Redis together, and how many a second; 0: as fast as it answers. */
  readonly group?: number;
  readonly perSecond?: number;
  /** Of `renew` and `bare`: which accounts, from `first` on. */
  readonly first: number;
  readonly count: number;
  /** Of `due`: a line per push, its collapse id. */
  readonly file: string;
  /** How long the PBX takes to answer. */
  readonly latencyMs: number;
  readonly leaseMs?: number;
  /** How many times as fast as real time bindings live. */
  readonly speed: number;
}

/** Notices only: a refresh push is sent again and again, a notice once. */
export const POLICY: Policy = { ...DEFAULT_POLICY, refreshFromMs: 0 };

export const siteAor = (n: number): Aor => `${100_000 + n}@example.com` as Aor;

const hex = (n: number, first: string) => (first + n.toString(16).padStart(8, '0')).padEnd(64, '7');

export const siteUri = (n: number, port = 40_001): string =>
  `sip:${100_000 + n}@192.0.2.7:${port};transport=tls;pn-provider=apns;pn-param=TEAM123456.com.example.phone.voip&remote;pn-prid=${hex(n, 'a')}:voip&${hex(n, 'b')}:remote`;

/** As a real one is: an iOS app with two tokens, one contact. */
export function siteRecord(n: number, renewedAt: Instant): AorRecord {
  const target = (first: string) => ({
    provider: 'apns',
    app: 'TEAM123456.com.example.phone',
    token: new Token(hex(n, first)),
  });
  const binding = {
    id: n.toString(16).padStart(16, '0') as BindingId,
    createdAt: renewedAt,
    evidence: { instanceId: `<urn:uuid:${hex(n, 'c').slice(0, 32)}>` },
    targets: { call: target('a'), other: target('b') },
    contacts: [{ pbx: 'office', uri: siteUri(n), seenAt: renewedAt, grantedMs: HOUR }],
    renewedAt,
    endsAt: plus(renewedAt, POLICY.ttlMs),
    sent: [],
    choice: undefined,
    unansweredWakes: 0,
  };
  return { aor: siteAor(n), version: 0, dueAt: bindingDueAt(binding, POLICY), bindings: [binding], tombstones: [] };
}

/** Puts `count` records, a few hundred at a time. */
export async function fill(store: BindingStore, count: number, renewedAt: Instant): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < count; n = next++) await store.put(siteRecord(n, renewedAt), 0);
  };
  await Promise.all(Array.from({ length: 200 }, lane));
}
