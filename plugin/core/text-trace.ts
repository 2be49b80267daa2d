/** What became of a text, for the administrator: never a word of it, nor who sent it. Pure. */
import type { Aor } from './aor.ts';
import type { BindingId } from './binding.ts';
import type { TextMistake } from './texts.ts';
import { between, DAY, HOUR, type Instant, MINUTE, SECOND } from './time.ts';

/** Why a text was left to the PBX, which handles it as without pushwake. */
export type PlainReason = TextMistake | 'off' | 'sender' | 'flood' | 'nobody' | 'full';

/**
 * `taken`: the phone answered 2xx. `sent`: on its way, and nobody hears of the answer. `refused`: the phone said no, and would again.
 * `unreached`: no answer, or one that says "not now".
 */
export type TextOutcome = 'taken' | 'sent' | 'refused' | 'unreached';

export type TextStep =
  | { readonly step: 'plain'; readonly why: PlainReason }
  /** `held`: in memory, because the store did not answer. */
  | { readonly step: 'kept'; readonly where: 'stored' | 'held'; readonly devices: number }
  | { readonly step: 'sentTo'; readonly device: BindingId; readonly outcome: TextOutcome }
  | { readonly step: 'expired' };

export interface TextTrace {
  readonly aor: Aor;
  readonly pbx: string;
  /** When it came. */
  readonly at: Instant;
  readonly steps: readonly (TextStep & { readonly at: Instant })[];
}

export const PLAIN_REASONS: Readonly<Record<PlainReason, string>> = {
  'too long': 'it is longer than 16 kB',
  'no body': 'it has no body (Asterisk carries at most 1,023 bytes, and hands over a longer text empty)',
  'content type': 'its Content-Type is none',
  address: 'its From or To is none',
  off: 'texts are not switched on (messages.wake), or mode is observe',
  sender: 'its sender sent more than one a second, 30 at once',
  flood: 'more came at once than are taken',
  nobody: 'no device of the account can be woken',
  full: 'too many wait for the account, or the store has no room, or does not answer',
};

const SENT: Readonly<Record<TextOutcome, string>> = {
  taken: 'taken by',
  sent: 'sent to',
  refused: 'refused by',
  unreached: 'sent in vain to',
};

export function explainText({ aor, pbx, at, steps }: TextTrace, now: Instant): string {
  const story = steps.map((s) => {
    const when = s.at === at ? '' : ` after ${span(between(at, s.at))}`;
    switch (s.step) {
      case 'plain':
        return `left to the PBX, as without pushwake: ${PLAIN_REASONS[s.why]}`;
      case 'kept':
        return `kept for ${s.devices === 1 ? 'one device' : `${s.devices} devices`}${s.where === 'held' ? ', in memory, because the store did not answer' : ''}`;
      case 'sentTo':
        return `${SENT[s.outcome]} device ${s.device.slice(0, 8)}${when}`;
      case 'expired':
        return `given up${when}, nobody fetched it`;
      default:
        return s satisfies never;
    }
  });
  return `Text for ${aor}, ${span(Math.max(0, between(at, now)))} ago, on ${pbx}: ${story.join(', ')}.`;
}

function span(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${+(ms / SECOND).toFixed(1)} s`;
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} min`;
  return ms < 2 * DAY ? `${Math.round(ms / HOUR)} h` : `${Math.round(ms / DAY)} days`;
}
