/** What several oracles ask of the world. */
import type { Aor } from '../../../plugin/core/aor.ts';
import { type AorRecord, type Binding, isLive } from '../../../plugin/core/binding.ts';
import { BoundedMap, upTo } from '../../../plugin/core/bounded-map.ts';
import { targetList } from '../../../plugin/core/identity.ts';
import { type DurationMs, HOUR, MINUTE, SECOND } from '../../../plugin/core/time.ts';
import type { Hit } from '../faulty.ts';
import type { Phone } from '../phone.ts';
import type { World } from '../world.ts';

/** Everything but the phones and the push services. */
export const MACHINES: readonly Hit[] = ['store', 'pbx', 'node', 'admin'];
export const ALL_BUT_PHONES: readonly Hit[] = [...MACHINES, 'push'];

export const isCalm = (world: World, hits: readonly Hit[], forMs: number): boolean =>
  !world.faulty.troubled(hits, world.time.nowMs - forMs);

/** What another node has seen is looked for once a minute by the one that tries a push again. */
export const ELSEWHERE_KNOWN_AFTER: DurationMs = 70 * SECOND;

/** Forgets what was set longest ago, beyond so many. */
export function keepLatest(
  map: { readonly size: number; keys(): Iterator<string>; delete(key: string): boolean },
  most: number,
): void {
  const oldest = map.size > most ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}

/** When pushes were tried first: of the last two thousand. */
export class FirstTries {
  readonly #tries = new BoundedMap<string, number>(upTo(2_000));

  of(push: string, nowMs: number): number {
    const known = this.#tries.get(push);
    if (known === undefined) this.#tries.set(push, nowMs);
    return known ?? nowMs;
  }
}

/** The binding of an account that has this token, live or ending. */
export function bindingWith(record: AorRecord | undefined, token: string): Binding | undefined {
  return record?.bindings.find((b) => targetList(b.targets).some((t) => t.token.reveal() === token));
}

/** The phone whose tokens a binding has, or claims to have. */
export function phoneOf(world: World, b: Pick<Binding, 'targets' | 'claim'>): Phone | undefined {
  for (const { token } of [...targetList(b.targets), ...targetList(b.claim?.targets ?? {})]) {
    const truth = world.tokens.get(token.reveal());
    if (truth) return truth.phone;
  }
  return undefined;
}

/** True time of the last REGISTER of a phone for an account, its refreshes included. */
export function lastRegister(phone: Phone, aor: Aor): number {
  const { pbx } = phone.o;
  const own = pbx
    .allOf(aor)
    .filter((c) => c.phone === phone)
    .map((c) => pbx.lastRegister(c));
  return Math.max(phone.registeredMs.get(aor) ?? Number.NEGATIVE_INFINITY, ...own, Number.NEGATIVE_INFINITY);
}

/** True time of the last sign that renews a binding. An app that reports over HTTP must register and report. */
export function lastSign(phone: Phone, aor: Aor): number {
  const registered = lastRegister(phone, aor);
  return phone.o.reports ? Math.min(registered, phone.reportedMs.get(aor) ?? Number.NEGATIVE_INFINITY) : registered;
}

export const liveOf = (record: AorRecord | undefined): readonly Binding[] => record?.bindings.filter(isLive) ?? [];

/** What a REGISTER that was never seen may hide at most: the time granted, a sweep, and Asterisk's late look. */
export const UNSEEN = 2 * HOUR + 20 * MINUTE;
