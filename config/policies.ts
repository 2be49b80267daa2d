/** From the YAML's policies to the core's numbers. Checks what only makes sense together. */
import type { Aor } from '../plugin/core/aor.ts';
import type { PolicyFor } from '../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY, type Policy } from '../plugin/core/policy.ts';
import { MINUTE } from '../plugin/core/time.ts';
import type { Config, PolicyConfig } from './schema.ts';

/** `*` stands for any text; everything else for itself. */
export function matches(pattern: string, text: string): boolean {
  const source = pattern
    .split('*')
    .map((s) => s.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`, 'i').test(text);
}

/** Times the ticker carries out. It looks once a minute, so less is never kept. */
const TICKED = [
  ...(['ttl', 'unnotifiableTtl', 'neverRegistered', 'refreshFrom', 'refreshEvery', 'quietBeforeNotice'] as const),
  ...(['resendAfter', 'putOff', 'endingPatience', 'aorMissing'] as const),
];

/** What is no mistake and will not do what it says: a place and a sentence each. */
export function policyWarnings(config: Pick<Config, 'policy' | 'policies'>): { path: string; message: string }[] {
  const message = 'less than a minute; pushwake looks once a minute, so it happens later than that';
  const isShort = (ms: number | undefined) => ms !== undefined && ms > 0 && ms < MINUTE;
  const of = (policy: PolicyConfig, at: string) => [
    ...TICKED.filter((key) => isShort(policy[key])).map((key) => ({ path: `${at}.${key}`, message })),
    ...(policy.notices ?? []).flatMap((ms, i) => (isShort(ms) ? [{ path: `${at}.notices[${i}]`, message }] : [])),
  ];
  return [
    ...of(config.policy, 'policy'),
    ...config.policies.flatMap(({ policy }, i) => of(policy, `policies[${i}].policy`)),
  ];
}

function toPolicy(base: Policy, c: PolicyConfig): Policy {
  return {
    ...base,
    ...(c.ttl === undefined ? {} : { ttlMs: c.ttl }),
    ...(c.unnotifiableTtl === undefined ? {} : { unnotifiableTtlMs: c.unnotifiableTtl }),
    ...(c.neverRegistered === undefined ? {} : { neverRegisteredMs: c.neverRegistered }),
    ...(c.refreshFrom === undefined ? {} : { refreshFromMs: c.refreshFrom }),
    ...(c.refreshEvery === undefined ? {} : { refreshEveryMs: c.refreshEvery }),
    ...(c.refreshSpread === undefined ? {} : { refreshSpreadMs: c.refreshSpread }),
    ...(c.quietBeforeNotice === undefined ? {} : { quietBeforeNoticeMs: c.quietBeforeNotice }),
    ...(c.notices === undefined ? {} : { noticeOffsetsMs: [...c.notices].sort((a, b) => b - a) }),
    ...(c.onUnregister === undefined ? {} : { onUnregister: c.onUnregister }),
    ...(c.maxUnansweredWakes === undefined ? {} : { maxUnansweredWakes: c.maxUnansweredWakes }),
    ...(c.maxDevicesPerAor === undefined ? {} : { maxDevicesPerAor: c.maxDevicesPerAor }),
    ...(c.resendAfter === undefined ? {} : { resendAfterMs: c.resendAfter }),
    ...(c.putOff === undefined ? {} : { putOffMs: c.putOff }),
    ...(c.endingPatience === undefined ? {} : { endingPatienceMs: c.endingPatience }),
    ...(c.aorMissing === undefined ? {} : { aorMissingMs: c.aorMissing }),
    ...(c.ringTime === undefined ? {} : { ringTimeMs: c.ringTime }),
    ...(c.freshContact === undefined ? {} : { freshContactMs: c.freshContact }),
    ...(c.retryWake === undefined ? {} : { retryWakeAfterMs: c.retryWake }),
    ...(c.retryVoip === undefined ? {} : { retryVoipAfterMs: c.retryVoip }),
    ...(c.showEnded === undefined ? {} : { showEndedMs: c.showEnded }),
    ...(c.missedCalls === undefined ? {} : { missedCalls: c.missedCalls }),
    ...(c.textsKept === undefined ? {} : { textsKeptMs: c.textsKept }),
    ...(c.textsMost === undefined ? {} : { textsMost: c.textsMost }),
    ...(c.voicemail === undefined ? {} : { voicemail: c.voicemail }),
    ...(c.askToOpen === undefined ? {} : { askToOpen: c.askToOpen }),
    ...(c.declineEverywhere === undefined ? {} : { declineEverywhere: c.declineEverywhere }),
  };
}

/** How many unknown policy names are reported at the most: they come from a PBX's directory. */
const UNKNOWN_TOLD_MAX = 100;

/**
 * The policy of a binding: the defaults, the file's `policy`, then every exception that fits, later ones winning. One with a
 * name fits only where the PBX's directory names it; `onUnknown` is called once for each name that the file does not have.
 */
export function policyChooser(
  config: Pick<Config, 'policy' | 'policies'>,
  onUnknown: (name: string, aor: Aor) => void = () => undefined,
): (aor: Aor) => PolicyFor {
  const base = toPolicy(DEFAULT_POLICY, config.policy);
  const names = new Set(config.policies.flatMap((p) => p.name ?? []));
  const told = new Set<string>();
  return (aor) =>
    ({ targets, choice }) => {
      const named = choice?.policy;
      if (named !== undefined && !names.has(named) && !told.has(named) && told.size < UNKNOWN_TOLD_MAX) {
        told.add(named);
        onUnknown(named, aor);
      }
      const app = (targets.call ?? targets.other)?.app ?? '';
      return config.policies
        .filter((p) => p.name === undefined || p.name === named)
        .filter((p) => (p.aor === undefined || matches(p.aor, aor)) && (p.app === undefined || matches(p.app, app)))
        .reduce((policy, p) => toPolicy(policy, p.policy), base);
    };
}
