/**
 * All nodes of one store, as an administrator sees them: which is alive, which takes the calls of which PBX, which lags, which is drained.
 * Pure: what the nodes say of themselves, joined.
 */
import { type DurationMs, type Instant, SECOND } from '../../core/time.ts';
import type { NodeFacts, SeenNode } from '../../ports/peers.ts';
import type { NodeState } from '../../ports/status.ts';

/** A node announces itself every two seconds; after this silence its PBXs count as away, and so does the node. */
export const SILENT_AFTER: DurationMs = 7 * SECOND;
/** One announcement missed. */
const QUIET_AFTER: DurationMs = 4.5 * SECOND;
/** A main loop that wakes so late keeps calls waiting. */
const LATE_AFTER: DurationMs = 0.5 * SECOND;

/** This node first, the others by name. */
export function fleetOf(self: SeenNode, others: readonly SeenNode[]): NodeState[] {
  const all = [self, ...others.filter((node) => !isSucceeded(node, [self, ...others]))];
  const leaders = leadersOf(all);
  const states = all.map((node): NodeState => {
    const { id, silentMs, facts, pbxs } = node;
    return {
      name: facts?.host ?? `node ${id.slice(0, 8)}`,
      isThis: node === self,
      state: stateOf(node),
      silentMs,
      ...(facts && {
        version: facts.version,
        mode: facts.mode,
        startedAt: facts.startedAt,
        waiting: facts.waiting,
        lateMs: facts.lateMs,
      }),
      pbxs: pbxs.map(({ pbx, up }) => ({ pbx, up, leads: leaders.get(pbx)?.includes(node) === true })),
    };
  });
  return states.sort((a, b) => Number(b.isThis) - Number(a.isThis) || (a.name < b.name ? -1 : 1));
}

function stateOf({ silentMs, facts }: SeenNode): NodeState['state'] {
  if (facts?.leaving === 'drained') return 'drained';
  if (silentMs >= SILENT_AFTER) return 'silent';
  if (facts?.leaving === 'draining') return 'draining';
  const isLate = silentMs >= QUIET_AFTER || (facts?.lateMs ?? 0) >= LATE_AFTER;
  return isLate ? 'late' : 'alive';
}

/** The nodes that take the new calls of each PBX now: all that share them, otherwise one, if any does. */
function leadersOf(all: readonly SeenNode[]): ReadonlyMap<string, readonly SeenNode[]> {
  const leaders = new Map<string, readonly SeenNode[]>();
  const takes = (node: SeenNode, name: string) => node.pbxs.find(({ pbx, up }) => pbx === name && up);
  // Nobody else is there: a node that is drained still serves what comes.
  const rounds: readonly NodeState['state'][][] = [['alive', 'late'], ['draining']];
  for (const states of rounds) {
    const there = all.filter((node) => states.includes(stateOf(node)));
    for (const name of new Set(there.flatMap(({ pbxs }) => pbxs.map(({ pbx }) => pbx)))) {
      if (leaders.has(name)) continue;
      const able = there.filter((node) => takes(node, name));
      const sharing = able.filter((node) => takes(node, name)?.shares);
      const first = able.find((node) => !takes(node, name)?.spare) ?? able[0];
      if (first) leaders.set(name, sharing.length > 0 ? sharing : [first]);
    }
  }
  return leaders;
}

/** It is gone, and the same node has been started again since. */
function isSucceeded(node: SeenNode, all: readonly SeenNode[]): boolean {
  if (['alive', 'late', 'draining'].includes(stateOf(node))) return false;
  const place = (of: SeenNode) =>
    JSON.stringify([of.facts?.host, of.pbxs.map(({ pbx, spare }) => [pbx, spare === true])]);
  const since = (facts: NodeFacts | undefined): Instant | 0 => facts?.startedAt ?? 0;
  return all.some((other) => other !== node && place(other) === place(node) && since(other.facts) > since(node.facts));
}
