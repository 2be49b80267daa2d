/** Where a binding stands in its life, in one word: for pages, counters and people. Decides nothing. */
import type { Binding } from './binding.ts';

/** In the order of a life. */
export const STAGES = ['fresh', 'refreshing', 'warned', 'ending', 'claimed'] as const;

/**
 * `fresh`: nothing had to be sent in this lifetime. `refreshing`: a silent push asked it to register. `warned`: its user got a
 * notice. `ending`: calls reach it no more. `claimed`: reported over HTTP, not yet confirmed by a REGISTER.
 */
export type Stage = (typeof STAGES)[number];

export function stageOf(b: Pick<Binding, 'ending' | 'targets' | 'sent' | 'lastRefreshAt'>): Stage {
  const { ending, targets, sent, lastRefreshAt } = b;
  if (ending) return 'ending';
  if (!targets.call && !targets.other) return 'claimed';
  if (sent.some((s) => s.done)) return 'warned';
  return sent.length > 0 || lastRefreshAt !== undefined ? 'refreshing' : 'fresh';
}
