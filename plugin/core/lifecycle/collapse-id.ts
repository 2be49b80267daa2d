/** The id by which a push service replaces a push that was repeated. */
import type { Target } from '../binding.ts';
import { DAY, type Instant } from '../time.ts';
import { fingerprint } from '../token.ts';

/** One banner for the three accounts of one app, and one for a push that had to be repeated. At most 64 bytes. */
export function collapseId(target: Target, kind: string, lifetime: Instant): string {
  return fingerprint(`${target.token.reveal()} ${kind} ${Math.floor(lifetime / DAY)}`);
}
