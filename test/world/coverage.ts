/** What was visited: transitions of bindings, steps of calls, verdict rows, pairs of faults. */
import type { AorRecord, Binding } from '../../plugin/core/binding.ts';
import { stageOf } from '../../plugin/core/stage.ts';
import type { Fault, FaultKind } from './faults.ts';
import type { LogLine } from './node.ts';
import type { Commit } from './store.ts';

export class Coverage {
  readonly counts = new Map<string, number>();

  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  commit({ before, after }: Commit): void {
    for (const b of after?.bindings ?? []) {
      const was = before?.bindings.find((x) => x.id === b.id);
      const from = was ? of(was) : 'none';
      if (from !== of(b)) this.count(`life ${from} → ${of(b)}`);
    }
    for (const was of before?.bindings ?? []) {
      if (after?.bindings.some((b) => b.id === was.id)) continue;
      this.count(`life ${of(was)} → ${reasonOf(after, was)}`);
    }
  }

  logged({ message, fields }: LogLine): void {
    if (message === 'call step') this.count(`step ${String(fields.step)}`);
    else if (message.startsWith('binding ')) this.count(`report ${message.slice(8)}`);
    else if (message.startsWith('brake')) this.count(message.slice(0, 40));
  }

  fault({ kind }: Fault, during: readonly FaultKind[]): void {
    this.count(`fault ${kind}`);
    for (const other of during) this.count(`pair ${[kind, other].sort().join(' + ')}`);
  }

  addAll(counts: Iterable<readonly [string, number]>): void {
    for (const [what, times] of counts) this.count(what, times);
  }

  of(group: string): [string, number][] {
    return [...this.counts].filter(([what]) => what.startsWith(`${group} `)).sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

function of(b: Binding): string {
  return b.ending ? `ending(${b.ending.reason}${b.ending.held ? ', held' : ''})` : stageOf(b);
}

function reasonOf(after: AorRecord | undefined, b: Binding): string {
  return `gone(${after?.tombstones.find((t) => t.id === b.id)?.reason ?? 'merged'})`;
}
