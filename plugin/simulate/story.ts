/**
 * A short story of one phone in words, for `pushwake simulate`:
 *
 *     registered Monday 9:00, iOS, phone off from Tuesday
 *
 * Clauses are separated by commas; order does not matter. Reads the words; `simulate.ts` plays them.
 */
import { DAY, type DurationMs, HOUR, type Instant, MINUTE, plus } from '../core/time.ts';

export interface Span {
  readonly from: Instant;
  /** Absent: to the end of the story. */
  readonly to?: Instant;
}

export interface Story {
  /** `voip`: an iOS app that gave only its VoIP token. */
  readonly app: 'ios' | 'android' | 'voip';
  readonly registeredAt: Instant;
  /** SIP Expires granted. */
  readonly grantedMs: DurationMs;
  /** The phone refreshes its registration by itself this often while it is on; absent: it sleeps after the first REGISTER. */
  readonly refreshesEveryMs?: DurationMs;
  readonly refreshesUntil?: Instant;
  /** A sleeping phone that is on answers a silent push with a REGISTER. */
  readonly answersRefreshes: boolean;
  readonly opens: readonly Instant[];
  /** What comes beside calls. A voice message is `+1` in the mailbox, `heard` empties it. */
  readonly comes: readonly { readonly what: Coming; readonly at: Instant }[];
  readonly off: readonly Span[];
  readonly pbxDown: readonly Span[];
  readonly pushDown: readonly Span[];
  readonly pushwakeDown: readonly Span[];
  readonly lastsMs: DurationMs;
}

/** `custom`: a push of the site's own. */
export type Coming = 'text' | 'voice message' | 'voice messages heard' | 'missed call' | 'custom push';

/** A clause that cannot be read. Says what is understood. */
export class StoryError extends Error {
  override name = 'StoryError';
}

export const CLAUSES = `  registered <when>                  the first REGISTER (needed)
  iOS | Android | VoIP only          which tokens the app gave; default iOS
  expires <duration>                 SIP Expires granted; default 1h
  refreshes every <duration> [until <when>]
                                     the phone refreshes its registration by itself
  ignores silent pushes              a force-quit app: a silent push does not wake it
  opens the app <when>               may be said several times
  text | voice message | voice messages heard | missed call | custom push <when>
                                     may be said several times
  phone off from <when> [to <when>]
  PBX down from <when> [to <when>]
  push service down from <when> [to <when>]
  pushwake down from <when> [to <when>]
  for <duration>                     length of the story; default 10d
  <when>: Monday 9:00, Tuesday, next Tuesday 18:30, +3d`;

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** `monday` is the first Monday of the story: the epoch of its week. All times are UTC. */
export function parseStory(text: string, monday: Instant): Story {
  const clauses = text
    .split(',')
    .map((c) => c.trim())
    .filter(Boolean);
  let registeredAt: Instant | undefined;
  for (const c of clauses) {
    const m = /^registered (.+)$/i.exec(c);
    if (m) registeredAt = when(m[1] as string, monday, monday);
  }
  if (registeredAt === undefined)
    throw new StoryError(`the story must say when the phone registered; it may say:\n${CLAUSES}`);
  const start = registeredAt;
  const at = (words: string) => when(words, monday, start);
  const story = {
    app: 'ios' as Story['app'],
    registeredAt: start,
    grantedMs: HOUR as DurationMs,
    answersRefreshes: true,
    opens: [] as Instant[],
    comes: [] as { what: Coming; at: Instant }[],
    off: [] as Span[],
    pbxDown: [] as Span[],
    pushDown: [] as Span[],
    pushwakeDown: [] as Span[],
    lastsMs: 10 * DAY,
  };
  let refreshes: Pick<Story, 'refreshesEveryMs' | 'refreshesUntil'> = {};
  for (const clause of clauses) {
    const span = (m: RegExpExecArray): Span => ({ from: at(m[1] as string), ...(m[2] ? { to: at(m[2]) } : {}) });
    const rules: readonly [RegExp, (m: RegExpExecArray) => unknown][] = [
      [/^registered .+$/i, () => undefined],
      [/^(ios|android)$/i, (m) => (story.app = (m[1] as string).toLowerCase() as Story['app'])],
      [/^voip only$/i, () => (story.app = 'voip')],
      [/^expires (.+)$/i, (m) => (story.grantedMs = span1(m[1] as string))],
      [
        /^refreshes every (\S+)(?: until (.+))?$/i,
        (m) => (refreshes = { refreshesEveryMs: span1(m[1] as string), ...(m[2] ? { refreshesUntil: at(m[2]) } : {}) }),
      ],
      [/^ignores silent pushes$/i, () => (story.answersRefreshes = false)],
      [/^opens the app (.+)$/i, (m) => story.opens.push(at(m[1] as string))],
      [
        /^(text|voice message|voice messages heard|missed call|custom push) (?!heard)(.+)$/i,
        (m) => story.comes.push({ what: (m[1] as string).toLowerCase() as Coming, at: at(m[2] as string) }),
      ],
      [/^phone off from (.+?)(?: to (.+))?$/i, (m) => story.off.push(span(m))],
      [/^pbx down from (.+?)(?: to (.+))?$/i, (m) => story.pbxDown.push(span(m))],
      [/^push service down from (.+?)(?: to (.+))?$/i, (m) => story.pushDown.push(span(m))],
      [/^pushwake down from (.+?)(?: to (.+))?$/i, (m) => story.pushwakeDown.push(span(m))],
      [/^for (.+)$/i, (m) => (story.lastsMs = span1(m[1] as string))],
    ];
    const rule = rules.find(([pattern]) => pattern.test(clause));
    const match = rule?.[0].exec(clause);
    if (!rule || !match) throw new StoryError(`"${clause}" is not understood; a story may say:\n${CLAUSES}`);
    rule[1](match);
  }
  return { ...story, ...refreshes, opens: [...story.opens].sort((a, b) => a - b) };
}

function when(words: string, monday: Instant, start: Instant): Instant {
  const relative = /^\+(.+)$/.exec(words.trim());
  if (relative) return plus(start, span1(relative[1] as string));
  const m = /^(next )?([a-z]+)(?: (\d{1,2}):(\d{2}))?$/i.exec(words.trim());
  const day = m ? DAYS.indexOf((m[2] as string).toLowerCase()) : -1;
  if (!m || day < 0)
    throw new StoryError(`"${words}" is no time; expected for example Monday 9:00, next Tuesday or +3d`);
  const inWeek = ((day + 6) % 7) * DAY + Number(m[3] ?? 0) * HOUR + Number(m[4] ?? 0) * MINUTE;
  const at = plus(monday, inWeek + (m[1] ? 7 * DAY : 0));
  // "Monday" after a Wednesday is the Monday to come.
  return at < start ? plus(at, 7 * DAY) : at;
}

function span1(words: string): DurationMs {
  const units: Record<string, DurationMs> = { s: 1_000, min: MINUTE, m: MINUTE, h: HOUR, d: DAY };
  const m = /^(\d+(?:\.\d+)?)\s*(s|min|m|h|d)$/.exec(words.trim());
  if (!m) throw new StoryError(`"${words}" is no duration; expected for example 30min, 12h or 3d`);
  return Number(m[1]) * (units[m[2] as string] as DurationMs);
}
