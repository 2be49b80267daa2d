/** Oracles of ends: each for a reason that is true, heard of by its user, with nothing left at the PBX. */
import type { Aor } from '../../../plugin/core/aor.ts';
import type { Binding, EndReason } from '../../../plugin/core/binding.ts';
import { targetList } from '../../../plugin/core/identity.ts';
import { DEFAULT_POLICY } from '../../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, MINUTE } from '../../../plugin/core/time.ts';
import type { Oracle } from '../oracle.ts';
import type { Commit } from '../store.ts';
import { trueWall } from '../time.ts';
import type { World } from '../world.ts';
import { isCalm, MACHINES, phoneOf } from './support.ts';

/** Bindings that begin to end by this write, and why. */
function* ends({ before, after }: Commit): Iterable<{ was: Binding; reason: EndReason }> {
  for (const was of before?.bindings ?? []) {
    const now = after?.bindings.find((b) => b.id === was.id);
    const reason = now?.ending?.reason ?? after?.tombstones.find((t) => t.id === was.id)?.reason;
    if (!was.ending && reason !== undefined) yield { was, reason };
  }
}

/** True time of an instant of the right wall clock. */
const toMs = (world: World, at: Instant): number => at - trueWall(world.time) + world.time.nowMs;

/** Whether the account is known to have registered after a claim, at a PBX of which each REGISTER is seen. */
function hasRegisteredSince(world: World, aor: Aor, { claim, renewedAt }: Binding): boolean {
  const pbx = world.pbxOf(aor);
  const sinceMs = toMs(world, claim?.at ?? renewedAt);
  if ((pbx.o.kind === 'asterisk' && !pbx.o.hep) || world.faulty.troubled(MACHINES, sinceMs - HOUR)) return false;
  const held = pbx.allOf(aor).map((c) => pbx.lastRegister(c));
  const seen = (pbx.phones.get(aor) ?? []).map((p) => p.registeredMs.get(aor) ?? Number.NEGATIVE_INFINITY);
  return Math.max(Number.NEGATIVE_INFINITY, ...held, ...seen) > sinceMs + MINUTE;
}

export function endedForAReason(): Oracle {
  const calls = new Map<string, number[]>();
  const isTrue = (world: World, aor: Aor, was: Binding, reason: EndReason): boolean => {
    const phone = phoneOf(world, was);
    switch (reason) {
      case 'unregistered':
        // Where the store was away, its person may have logged in again before the log-out could be written.
        return phone === undefined || phone.isLoggedOut || phone.loggedOutMs >= toMs(world, was.renewedAt) - MINUTE;
      case 'aor-deleted':
        return world.pbxOf(aor).unknown.has(aor);
      case 'removed':
        return phone === undefined || phone.withdrawnMs.has(aor);
      case 'never-registered':
        return !hasRegisteredSince(world, aor, was);
      case 'unreachable': {
        const token = was.targets.call ?? was.targets.other;
        const since = toMs(world, was.renewedAt);
        const pushed = calls.get(`${aor} ${token?.token.reveal()}`) ?? [];
        return pushed.filter((at) => at >= since - MINUTE).length >= world.policy.maxUnansweredWakes;
      }
      default:
        return true;
    }
  };
  return {
    name: 'ended for a reason',
    why: 'A phone that never logged out, or an account that is still there, must not lose its binding: it would sleep through its calls.',
    answered({ request, outcome }, world) {
      if (request.purpose !== 'call' || outcome?.kind !== 'accepted') return;
      const key = `${request.aor} ${request.target.token.reveal()}`;
      calls.set(key, [...(calls.get(key) ?? []).slice(-9), world.time.nowMs]);
    },
    committed(commit, world) {
      if (world.faulty.had(['backupRestored', 'storeFailover'], world.time.nowMs)) return;
      for (const { was, reason } of ends(commit)) {
        if (!isTrue(world, commit.aor, was, reason))
          world.fail('ended for a reason', `${was.id} of ${commit.aor} ends as ${reason}, which is not so`);
      }
    },
  };
}

/** Of these its user is told, where a token is left for that. */
const TOLD_OF: ReadonlySet<EndReason> = new Set<EndReason>(['age', 'unreachable', 'token-dead']);
/** A push service that is out for so long (ms) costs the last word. */
const PATIENCE = DEFAULT_POLICY.endingPatienceMs;

export function heardOfTheEnd(): Oracle {
  const told = new Map<string, number>();
  const begun = new Map<string, number>();
  return {
    name: 'its user hears of the end',
    why: 'Who is not told that calls reach him no more waits for them.',
    attempted({ request }, world) {
      if (request.purpose === 'notice' && request.notice === 'expired')
        told.set(`${request.aor} ${request.target.token.reveal()}`, world.time.nowMs);
    },
    committed(commit, world) {
      const { aor, before, after } = commit;
      const { nowMs } = world.time;
      if (
        world.settings.mode === 'observe' ||
        world.faulty.had(['observes', 'backupRestored', 'storeFailover'], nowMs - 2 * DAY)
      )
        return;
      for (const { was, reason } of ends(commit)) {
        if (!TOLD_OF.has(reason)) continue;
        const now = after?.bindings.find((b) => b.id === was.id);
        begun.set(was.id, nowMs);
        // Which of its tokens died is known where one is left.
        if (!now && reason !== 'token-dead' && was.targets.other)
          world.fail('its user hears of the end', `${was.id} of ${aor} is gone at once`);
      }
      for (const was of before?.bindings ?? []) {
        if (!was.ending || !TOLD_OF.has(was.ending.reason) || !was.targets.other) continue;
        if (!after?.tombstones.some((t) => t.id === was.id)) continue;
        const sinceMs = begun.get(was.id) ?? 0;
        begun.delete(was.id);
        if (nowMs - sinceMs >= PATIENCE && world.faulty.troubled(['push'], sinceMs)) continue;
        const at = told.get(`${aor} ${was.targets.other.token.reveal()}`) ?? Number.NEGATIVE_INFINITY;
        if (at < sinceMs) world.fail('its user hears of the end', `${was.id} of ${aor} is gone, and nothing was sent`);
      }
    },
  };
}

const LEAVES_NOTHING: ReadonlySet<EndReason | undefined> = new Set<EndReason>(['age', 'unreachable', 'token-dead']);

/** What is left at the PBX rings a phone that nobody wakes, and locks it out in the end. */
export function nothingIsLeftBehind(): Oracle {
  return {
    name: 'nothing is left at the PBX',
    why: 'The contact of an ended binding is gone, or a day was not enough to reach the PBX.',
    committed({ aor, before, after }, world) {
      if (world.settings.mode === 'observe' || !isCalm(world, ['admin', 'store'], 2 * DAY)) return;
      for (const was of before?.bindings ?? []) {
        if (after?.bindings.some((b) => b.id === was.id) || !LEAVES_NOTHING.has(was.ending?.reason)) continue;
        const now = world.nodes.map((node) => node.clock.now());
        if (now.some((at) => at - (was.ending?.since ?? 0) >= 1 * DAY - HOUR)) continue;
        const pbx = world.pbxOf(aor);
        for (const c of pbx.held(aor)) {
          const isIts = was.contacts.some((known) => known.uri === c.uri);
          if (isIts && targetList(was.targets).some((t) => c.uri.includes(t.token.reveal())))
            world.fail('nothing is left at the PBX', `a contact of ${was.id} of ${aor} is still there`);
        }
      }
    },
  };
}
