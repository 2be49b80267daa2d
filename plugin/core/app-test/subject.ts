/** Which app is measured: what of the rules applies to it follows from here. */
import { type Binding, isLive } from '../binding.ts';

/** The system that the phone has, as far as its push service shows it. */
export type Platform = 'ios' | 'android' | 'web' | 'other';

/** Whose form of push the app reads: ours, that of Linphone's library, that of Acrobits, or web push. */
export type AppKind = 'own' | 'linphone' | 'acrobits' | 'web';

export interface Subject {
  readonly platform: Platform;
  readonly kind: AppKind;
  /** A push that is no call can be sent to it. */
  readonly hasOther: boolean;
  /** The app says its tokens over HTTP, so that its Contact may say nothing of push. */
  readonly reports: boolean;
}

const PLATFORMS: Readonly<Record<string, Platform>> = { apns: 'ios', fcm: 'android', webpush: 'web' };

export function subjectOf({ targets, reportedAt }: Pick<Binding, 'targets' | 'reportedAt'>): Subject {
  const target = targets.call ?? targets.other;
  const provider = target?.provider ?? '';
  return {
    platform: PLATFORMS[provider] ?? 'other',
    kind: kindOf(provider, target?.library),
    hasOther: targets.other !== undefined,
    reports: reportedAt !== undefined,
  };
}

function kindOf(provider: string, library: 'liblinphone' | undefined): AppKind {
  if (provider === 'webpush') return 'web';
  if (provider === 'pnm') return 'acrobits';
  return library === undefined ? 'own' : 'linphone';
}

/** The devices of an account that can be woken, of which one is measured. */
export const measurable = (bindings: readonly Binding[]): readonly Binding[] =>
  bindings.filter((b) => isLive(b) && (b.targets.call ?? b.targets.other) !== undefined);
