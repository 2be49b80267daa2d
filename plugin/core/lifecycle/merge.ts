/** Two bindings that turn out to be one device. */
import { type Binding, choiceOf } from '../binding.ts';
import { formerTokens } from '../identity.ts';
import { latest } from '../time.ts';
import type { Draft } from './draft.ts';

/** The older id lives on, with the later proof. */
export function merge(draft: Draft, matches: readonly Binding[]): Binding {
  const [first, ...rest] = [...matches].sort((a, b) => a.createdAt - b.createdAt) as [Binding, ...Binding[]];
  const newest = matches.reduce((a, b) => (b.renewedAt > a.renewedAt ? b : a));
  draft.bindings = draft.bindings.filter((b) => !rest.includes(b));
  const { ending: _, lastRefreshAt: __, ...living } = first;
  const reportedAt = matches.map((b) => b.reportedAt).find((at) => at !== undefined);
  const texts = matches.map((b) => b.texts).find((waiting) => waiting !== undefined);
  const voicemail = matches.map((b) => b.voicemail).find((state) => state !== undefined);
  const merged = draft.replace({
    ...living,
    ...(matches.every((b) => b.ending) && first.ending ? { ending: first.ending } : {}),
    evidence: { ...newest.evidence, ...first.evidence, formerTokens: formerTokens(matches, newest.targets) },
    ...(newest.lastRefreshAt === undefined ? {} : { lastRefreshAt: newest.lastRefreshAt }),
    ...(reportedAt === undefined ? {} : { reportedAt }),
    targets: newest.targets,
    contacts: matches.flatMap((b) => b.contacts),
    renewedAt: newest.renewedAt,
    endsAt: latest(first.endsAt, ...rest.map((b) => b.endsAt)),
    sent: newest.sent,
    choice: newest.choice ?? choiceOf(matches),
    ...(texts && { texts }),
    ...(voicemail && { voicemail }),
  });
  draft.report('merged', merged.id);
  return merged;
}
