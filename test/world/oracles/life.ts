/** Oracles of bindings: warned before they end, ended by a true verdict only, never two for one token, none lost. */
import type { Aor } from '../../../plugin/core/aor.ts';
import { appKey, type Binding, isLive } from '../../../plugin/core/binding.ts';
import { targetList } from '../../../plugin/core/identity.ts';
import { CLOCKS_DIFFER, DAY, HOUR, MINUTE, SECOND } from '../../../plugin/core/time.ts';
import { tripsAt } from '../../../plugin/runtime/bindings/brake.ts';
import type { Oracle } from '../oracle.ts';
import type { Phone } from '../phone.ts';
import { trueWall } from '../time.ts';
import type { World } from '../world.ts';
import {
  bindingWith,
  ELSEWHERE_KNOWN_AFTER,
  FirstTries,
  isCalm,
  lastRegister,
  lastSign,
  liveOf,
  MACHINES,
  phoneOf,
  UNSEEN,
} from './support.ts';

interface Notice {
  readonly pushId: string;
  readonly atMs: number;
}

/** A notice counts from when its service answers, which takes this long (ms). */
const ANSWERS_WITHIN = 1 * MINUTE;
const WARNED_BEFORE = [11 * HOUR, 50 * MINUTE] as const;

export function warnedBeforeTheEnd(): Oracle {
  const notices = new Map<string, Notice[]>();
  const unsure = new Set<string>();
  return {
    name: 'warned before the end',
    why: 'Promise 2: no binding ends by age unless its user was warned 11 h and 50 min before.',
    answered({ request, outcome }, world) {
      if (request.purpose !== 'notice' || request.notice !== 'soon') return;
      // The second time that nobody knows whether it was shown it is not sent again: shown twice is the smaller evil, not with every try.
      const isUnsure = outcome?.kind === 'retryLater' && outcome.unsure === true;
      const mayBeShown = isUnsure && unsure.has(request.pushId);
      if (isUnsure) unsure.add(request.pushId);
      if (!mayBeShown && !['accepted', 'failed', 'tokenDead'].includes(outcome?.kind ?? '')) return;
      const key = `${request.aor} ${request.target.token.reveal()}`;
      const known = notices.get(key) ?? [];
      notices.set(
        key,
        [...known.filter((n) => n.pushId !== request.pushId), { pushId: request.pushId, atMs: world.time.nowMs }].slice(
          -10,
        ),
      );
    },
    committed({ aor, before, after }, world) {
      for (const was of before?.bindings ?? []) {
        const now = after?.bindings.find((b) => b.id === was.id);
        const reason = now?.ending?.reason ?? after?.tombstones.find((t) => t.id === was.id)?.reason;
        if (was.ending || reason !== 'age' || !was.targets.other || !isLive(was)) continue;
        // Who only observes sends nothing and promises nothing.
        if (world.settings.mode === 'observe') continue;
        // A store that went back in time, or a policy that moved the end, has its own story.
        if (world.faulty.had(['backupRestored', 'storeFailover', 'policyChanged'], world.time.nowMs - 2 * DAY))
          continue;
        const clocksWrong = world.faulty.had(
          ['clockJumps', 'machineSuspended', 'nodeHangs'],
          world.time.nowMs - 4 * DAY,
        );
        const mine = notices.get(`${aor} ${was.targets.other.token.reveal()}`) ?? [];
        const renewedMs = was.renewedAt - trueWall(world.time) + world.time.nowMs;
        const ofLife = clocksWrong ? mine : mine.filter((n) => n.atMs >= renewedMs);
        const warned = WARNED_BEFORE.filter((ms) =>
          ofLife.some((n) => world.time.nowMs - n.atMs >= (clocksWrong ? 0 : ms - ANSWERS_WITHIN)),
        );
        if (warned.length === 2 && ofLife.length >= 2) continue;
        const ago = ofLife.map((n) => `${((world.time.nowMs - n.atMs) / HOUR).toFixed(1)} h`).join(', ');
        world.fail(
          'warned before the end',
          `${was.id} of ${aor} ends by age; its user was warned ${ago || 'never'} ago`,
        );
      }
    },
  };
}

export function notWarnedInVain(): Oracle {
  const begun = new FirstTries();
  return {
    name: 'nobody is warned in vain',
    why: 'A user whose phone registers as it should must not read that it is about to expire.',
    attempted({ request, truth, node }, world) {
      if (request.purpose !== 'notice' || request.notice === 'open' || !truth) return;
      if (![truth.phone.voip, truth.phone.other].includes(truth.token)) return;
      const binding = bindingWith(world.store.record(request.aor as Aor), request.target.token.reveal());
      if (binding?.ending && binding.ending.reason !== 'age') return;
      const atMs = lastSign(truth.phone, request.aor as Aor);
      const agoMs = world.time.nowMs - atMs;
      const begunMs = begun.of(`${node} ${request.pushId}`, world.time.nowMs);
      if (world.nodes.length > 1 && begunMs < atMs && agoMs < ELSEWHERE_KNOWN_AFTER) return;
      if (world.faulty.troubled(MACHINES, atMs - 4 * HOUR)) return;
      if (agoMs < world.policy.ttlMs - 12 * HOUR - UNSEEN)
        world.fail(
          'nobody is warned in vain',
          `${request.notice} for ${request.aor}, registered ${(agoMs / HOUR).toFixed(1)} h ago`,
        );
    },
  };
}

interface Verdict {
  readonly atMs: number;
  readonly since: number | undefined;
}

export function deadByVerdictOnly(): Oracle {
  const verdicts = new Map<string, Verdict>();
  return {
    name: 'dead by verdict only',
    why: 'A binding that ends as "token dead" without a word of its service, or by one from before its last REGISTER, is a phone lost.',
    answered({ request, outcome }, world) {
      if (outcome?.kind === 'tokenDead')
        verdicts.set(request.target.token.reveal(), { atMs: world.time.nowMs, since: outcome.since });
    },
    committed({ aor, before, after }, world) {
      for (const was of before?.bindings ?? []) {
        const now = after?.bindings.find((b) => b.id === was.id);
        const reason = now?.ending?.reason ?? after?.tombstones.find((t) => t.id === was.id)?.reason;
        if (was.ending || reason !== 'token-dead') continue;
        const said = targetList(was.targets).flatMap((t) => verdicts.get(t.token.reveal()) ?? []);
        const last = said.sort((a, b) => b.atMs - a.atMs)[0];
        if (!last) {
          world.fail('dead by verdict only', `${was.id} of ${aor} ends as dead; no service said so`);
          continue;
        }
        // Dates of two clocks have no order within ten minutes.
        if (last.since !== undefined && last.since < was.renewedAt - CLOCKS_DIFFER - MINUTE)
          world.fail(
            'dead by verdict only',
            `${was.id} of ${aor} registered after the time at which its token is said to have died`,
          );
      }
    },
  };
}

/** A verdict is doubted for an hour, by the brake; not for days. */
export function deadAreLetGo(): Oracle {
  const verdicts = new Map<string, number[]>();
  return {
    name: 'the dead are let go',
    why: 'A binding whose token its service calls dead again and again belongs to a phone that is gone.',
    answered({ request, truth, outcome }, world) {
      if (outcome?.kind !== 'tokenDead' || truth?.deadSinceMs === undefined) return;
      const { token, deadSinceMs } = truth;
      const known = [...(verdicts.get(token) ?? []), world.time.nowMs];
      verdicts.set(token, known);
      const binding = bindingWith(world.store.record(request.aor as Aor), token);
      // Its app refreshed the old Contact after the death: such a token may live again, and the verdict is not to be believed (`dead by verdict only`).
      const renewedMs = (binding?.renewedAt ?? 0) - trueWall(world.time) + world.time.nowMs;
      if (outcome.since !== undefined && renewedMs > deadSinceMs + CLOCKS_DIFFER) return;
      if (!binding || !isCalm(world, ['store', 'node', 'admin'], 3 * HOUR)) return;
      if (known.length < 5 || world.time.nowMs - (known[0] ?? 0) <= 2 * DAY) return;
      // This one may be what ends it.
      world.time.after(5 * SECOND, () => {
        const left = bindingWith(world.store.record(request.aor as Aor), token);
        if (left && !left.ending && isCalm(world, ['store', 'node', 'admin'], 3 * HOUR))
          world.fail('the dead are let go', `${left.id} of ${request.aor}: ${known.length} verdicts in two days`);
      });
    },
  };
}

export function brakeHolds(): Oracle {
  const ended = new Map<string, { readonly id: string; readonly atMs: number }[]>();
  return {
    name: 'the brake holds',
    why: 'A service that calls living tokens dead costs a site no more than a small share of its phones.',
    committed({ before, after }, world) {
      for (const was of before?.bindings ?? []) {
        const now = after?.bindings.find((b) => b.id === was.id);
        const target = was.targets.call ?? was.targets.other;
        if (was.ending || now?.ending?.reason !== 'token-dead' || !target) continue;
        const app = appKey(target);
        const { nowMs } = world.time;
        // Devices, not verdicts: one that comes back and is called dead again is still one.
        const others = (ended.get(app) ?? []).filter((end) => nowMs - end.atMs < HOUR && end.id !== was.id);
        const lately = [...others, { id: was.id, atMs: nowMs }];
        ended.set(app, lately);
        const live = world.store.all.flatMap(liveOf).filter((b) => {
          const t = b.targets.call ?? b.targets.other;
          return t !== undefined && appKey(t) === app;
        }).length;
        // Each node counts by itself; a new life begins anew.
        if (!isCalm(world, ['node', 'admin', 'store'], 2 * HOUR)) continue;
        const most = world.nodes.length * (tripsAt(live + lately.length) - 1);
        if (lately.length > most)
          world.fail('the brake holds', `${lately.length} devices of ${app} ended as dead within an hour, of ${live}`);
      }
    },
  };
}

export function recordsAreSound(): Oracle {
  return {
    name: 'records are sound',
    why: 'Two bindings of one token mean two pushes for each call; a record that is never due ends never.',
    committed({ aor, before, after }, world) {
      if (!after) return;
      const isBack = world.faulty.had(['backupRestored', 'storeFailover'], world.time.nowMs);
      if (before && !isBack && after.version !== before.version + 1)
        world.fail('records are sound', `${aor}: version ${before.version} → ${after.version}`);
      const tokens = new Set<string>();
      for (const b of after.bindings.filter(isLive)) {
        for (const token of new Set(targetList(b.targets).map((t) => t.token.reveal()))) {
          if (tokens.has(token)) world.fail('records are sound', `${aor} has two living bindings with one token`);
          tokens.add(token);
        }
      }
      if (after.bindings.length > 0 && after.dueAt === undefined)
        world.fail('records are sound', `${aor} is never due`);
    },
  };
}

/** `renewedAt` is the latest instant at which a REGISTER is proved, and never later than one. */
export function renewedByProofOnly(): Oracle {
  return {
    name: 'renewed by a REGISTER only',
    why: 'A lifetime that nothing proved keeps a phone bound that is long gone.',
    committed({ aor, before, after }, world) {
      for (const b of after?.bindings ?? []) {
        const was = before?.bindings.find((x) => x.id === b.id);
        // Of a device that is found at the PBX and was never seen registering, nothing else is known than that it is there.
        if (!was || b.renewedAt <= was.renewedAt || !isLive(b)) continue;
        if (
          world.faulty.had(['clockJumps', 'pbxClock', 'backupRestored', 'machineSuspended'], world.time.nowMs - 3 * DAY)
        )
          continue;
        const renewedMs = b.renewedAt - trueWall(world.time) + world.time.nowMs;
        if (renewedMs > world.time.nowMs + CLOCKS_DIFFER)
          world.fail('renewed by a REGISTER only', `${b.id} of ${aor}: by one that has not happened yet`);
        // What was granted is known of the last REGISTER that was seen; of one that was not, by no PBX's answer.
        if (world.faulty.had(['expiresChanged'], world.time.nowMs - 3 * DAY)) continue;
        const phone = phoneOf(world, b);
        // Any REGISTER that says nothing of push, soon after a push to it, is taken for that of an app which reports over HTTP.
        if (!phone || phone.o.reports) continue;
        const atMs = Math.max(lastRegister(phone, aor), phone.saidMs.get(aor) ?? Number.NEGATIVE_INFINITY);
        if (renewedMs > atMs + 10_000)
          world.fail(
            'renewed by a REGISTER only',
            `${b.id} of ${aor}: ${(renewedMs - atMs) / 1_000} s after ${phone.name}'s last`,
          );
      }
    },
  };
}

/** Whether it has told its tokens, by its Contact or over HTTP, so long ago that they must be known. */
function saysToken(world: World, phone: Phone, aor: Aor, uri: string): boolean {
  if (!phone.o.reports) return uri.includes(phone.voip ?? phone.other ?? '');
  const reportedMs = phone.reportedMs.get(aor);
  if (reportedMs === undefined || phone.reportedInstall.get(aor) !== phone.install) return false;
  const since = world.time.nowMs - reportedMs;
  return since > UNSEEN && isCalm(world, MACHINES, since + HOUR) && (phone.withdrawnMs.get(aor) ?? 0) < reportedMs;
}

/** A phone whose contact the PBX holds is bound, once. */
export function registeredIsBound(): Oracle {
  return {
    name: 'who is registered is bound',
    why: 'A phone that the PBX holds and pushwake does not know sleeps through its calls.',
    hourly(world) {
      if (!isCalm(world, MACHINES, 2 * HOUR) || world.settings.mode !== 'full') return;
      for (const phone of world.phones) {
        for (const [aor, uri] of phone.listens) {
          const { pbx } = phone.o;
          const held = pbx.held(aor).find((c) => c.uri === uri);
          const token = phone.voip ?? phone.other ?? '';
          if (!held || !saysToken(world, phone, aor, uri)) continue;
          if (world.time.nowMs - held.registeredMs < 20 * MINUTE) continue;
          const record = world.store.record(aor);
          const mine = liveOf(record).filter((b) => targetList(b.targets).some((t) => t.token.reveal() === token));
          if (mine.length === 1) continue;
          // What ended after its last REGISTER stays ended until the next one.
          const since = trueWall(world.time) - world.time.nowMs + lastSign(phone, aor) - UNSEEN;
          if (record?.tombstones.some((t) => t.endedAt >= since)) continue;
          if (record?.bindings.some((b: Binding) => b.ending)) continue;
          world.fail(
            'who is registered is bound',
            `${phone.name} is registered at ${aor} and has ${mine.length} bindings`,
          );
        }
      }
    },
  };
}
