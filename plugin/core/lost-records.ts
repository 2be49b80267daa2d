/** What is put together again after a store has lost records and two nodes remember different things of one account. Pure. */
import type { AorRecord, Binding } from './binding.ts';
import { shareToken, targetList } from './identity.ts';
import { earliest } from './time.ts';

/**
 * The record as stored, with what only `remembered` knows: devices that it lacks and that have not ended since, and those that it knows by
 * an older REGISTER. Undefined: it lacks nothing.
 */
export function withRemembered(stored: AorRecord, remembered: AorRecord): AorRecord | undefined {
  const newer = stored.bindings.map((binding) => {
    const known = remembered.bindings.find((b) => isOneDevice(b, binding));
    return known && known.renewedAt > binding.renewedAt ? known : binding;
  });
  const lacking = remembered.bindings.filter(
    (binding) => !hasEnded(stored, binding) && !stored.bindings.some((b) => isOneDevice(b, binding)),
  );
  const isSame = lacking.length === 0 && newer.every((binding, i) => binding === stored.bindings[i]);
  if (isSame) return undefined;
  const dueAt = earliest(stored.dueAt, remembered.dueAt);
  return { ...stored, bindings: [...newer, ...lacking], ...(dueAt !== undefined && { dueAt }) };
}

function isOneDevice(a: Binding, b: Binding): boolean {
  const { instanceId } = a.evidence;
  return (
    a.id === b.id ||
    shareToken(a.targets, b.targets) ||
    (instanceId !== undefined && instanceId === b.evidence.instanceId)
  );
}

function hasEnded({ tombstones }: AorRecord, { id, targets }: Binding): boolean {
  const tokens = new Set(targetList(targets).map(({ token }) => token.fingerprint));
  return tombstones.some((t) => t.id === id || t.tokens.some((token) => tokens.has(token)));
}
