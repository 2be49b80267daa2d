/** Oracles of pushes: none too late, none of the wrong kind, none to a device that has ended, no notice that is no longer true. */
import type { Binding } from '../../../plugin/core/binding.ts';
import { targetList } from '../../../plugin/core/identity.ts';
import { between, type DurationMs, MINUTE, SECOND } from '../../../plugin/core/time.ts';
import { callIdOf } from '../../../plugin/core/wake.ts';
import type { Call } from '../call.ts';
import type { Oracle } from '../oracle.ts';
import { bindingWith, ELSEWHERE_KNOWN_AFTER, isCalm, keepLatest, liveOf } from './support.ts';

export function noneTooLate(): Oracle {
  const deadlines = new Map<string, number>();
  return {
    name: 'no push after its deadline',
    why: 'A call push that comes late rings a phone for a call that is over.',
    attempted({ request, node, monotonicMs }, world) {
      const key = `${node} ${request.pushId}`;
      const known = deadlines.get(key);
      const deadline = known ?? monotonicMs + (request.expiresAt - request.sentAt);
      if (known === undefined) {
        deadlines.set(key, deadline);
        keepLatest(deadlines, 2_000);
      }
      if (monotonicMs > deadline + 5) {
        world.fail(
          'no push after its deadline',
          `${request.purpose} for ${request.aor} goes out ${monotonicMs - deadline} ms late`,
        );
      }
    },
  };
}

export function rightKind(): Oracle {
  return {
    name: 'nothing but calls by VoIP push',
    why: 'iOS ends an app for a VoIP push that does not become a call.',
    attempted({ request, truth }, world) {
      if (request.purpose !== 'call' && truth?.kind === 'voip')
        world.fail('nothing but calls by VoIP push', `${request.purpose} for ${request.aor} goes to a VoIP token`);
      if (request.purpose === 'call' && truth?.kind === 'other')
        world.fail('nothing but calls by VoIP push', `a call of ${request.aor} goes to a token that wakes nobody`);
    },
  };
}

/** What one node has removed, another one may push once more until it looks at the record again, in ms. */
const OTHER_NODE_LOOKS: DurationMs = 70 * SECOND;

export function noneToTheDead(): Oracle {
  const removed = new Map<string, number>();
  /** Bindings that were pushed for a call while they lived, by call and token. */
  const pushedFor = new Set<string>();
  return {
    name: 'no push to a device that has ended',
    why: 'Who logged out or was told that it is over must not hear of the account again.',
    committed({ aor, before, after }, world) {
      if (world.nodes.length === 1) return;
      const tokensOf = (all: readonly Binding[] = []) =>
        all.flatMap((b) => targetList(b.targets).map((t) => t.token.reveal()));
      const note = (was: readonly Binding[] = [], is: readonly Binding[] = []) => {
        const left = new Set(tokensOf(is));
        for (const token of tokensOf(was)) if (!left.has(token)) removed.set(`${aor} ${token}`, world.time.nowMs);
      };
      note(liveOf(before), liveOf(after));
      // The last word, too: each node may have one under way, of which the first that is taken ends the binding.
      note(before?.bindings, after?.bindings);
    },
    attempted({ request, truth }, world) {
      // Closing words end what was begun, and the last word of a binding is sent while it ends.
      if (request.purpose === 'cancel' || !isCalm(world, ['store', 'admin'], 10 * MINUTE)) return;
      const record = world.store.record(request.aor as never);
      const token = request.target.token.reveal();
      const binding = bindingWith(record, token);
      const isLastWord = request.purpose === 'notice' && request.notice === 'expired';
      const ofCall = request.purpose === 'call' ? `${request.callId} ${token}` : undefined;
      if (binding && (binding.ending === undefined || isLastWord)) {
        if (ofCall !== undefined) pushedFor.add(ofCall);
        keepLatest(pushedFor, 500);
        return;
      }
      // Two calls of one account: the end of one shows that its device cannot be reached, and ends it. The other had pushed it before, still
      // waits, and pushes once more. Nobody has logged out there; a phone that comes after all rings for a caller who is there, and is bound
      // anew. Not pushing it could only lose that call. Every other end, and any call that began after this one, is no such case.
      const { fingerprint } = request.target.token;
      const reason =
        binding?.ending?.reason ?? record?.tombstones.findLast((t) => t.tokens.includes(fingerprint))?.reason;
      const isUnderWay = ofCall !== undefined && pushedFor.has(ofCall);
      if (reason === 'unreachable' && isUnderWay) return;
      // An app that reports over HTTP came for the call by a Contact that names nobody, so that its push went on, and has reported new tokens
      // since. Nothing has ended, and nobody hears of the old ones.
      const { other, voip } = truth?.phone ?? {};
      if (isUnderWay && truth?.phone.o.reports && bindingWith(record, voip ?? other ?? '')) return;
      const removedMs = removed.get(`${request.aor} ${token}`) ?? Number.NEGATIVE_INFINITY;
      if (world.time.nowMs - removedMs < OTHER_NODE_LOOKS) return;
      const what = request.purpose === 'notice' ? `notice ${request.notice}` : request.purpose;
      world.fail(
        'no push to a device that has ended',
        `${what} for ${request.aor}: ${binding ? 'it is ending' : 'there is no such binding'}`,
      );
    },
  };
}

/** A notice that waits at a service which is out must not go on once it is no longer true. */
export function noStaleNotice(): Oracle {
  const begun = new Map<string, number>();
  return {
    name: 'no notice that is no longer true',
    why: 'Who has just opened the app must not read that the account is about to expire, or has expired.',
    attempted({ request, node }, world) {
      if (request.purpose !== 'notice' || request.notice === 'open') return;
      if (!isCalm(world, ['store', 'admin'], 10 * MINUTE)) return;
      const binding = bindingWith(world.store.record(request.aor as never), request.target.token.reveal());
      if (!binding) return;
      const key = `${node} ${request.pushId}`;
      const known = begun.get(key);
      begun.set(key, known ?? binding.renewedAt);
      keepLatest(begun, 2_000);
      if (between(binding.renewedAt, request.sentAt) < ELSEWHERE_KNOWN_AFTER && world.nodes.length > 1) return;
      // A proof that moves it by a little is no new lifetime.
      if (known !== undefined && binding.renewedAt - known > 70 * MINUTE)
        world.fail(
          'no notice that is no longer true',
          `${request.notice} for ${request.aor}, which has registered since`,
        );
    },
  };
}

/** How long after the end of a call a push of it may still go out: its end is on its way to us. */
const END_IS_KNOWN_AFTER = 1_500;

export function noneForAnEndedCall(): Oracle {
  const calls = new Map<string, Call>();
  return {
    name: 'no push for a call that is over',
    why: 'A phone that is pushed for a dead call rings, on iOS by Apple’s own rule, and nobody is there.',
    callStarted(call) {
      calls.set(callIdOf(call.o.pbx.name, call.o.linkedId, call.aor), call);
      keepLatest(calls, 200);
    },
    attempted({ request }, world) {
      const call = request.purpose === 'call' ? calls.get(request.callId) : undefined;
      if (!call || call.endedMs === undefined) return;
      // Without a link nobody can say that it is over. Its first push may wait for the service meanwhile.
      if (!call.link?.up || world.time.nowMs - call.link.upSinceMs < END_IS_KNOWN_AFTER) return;
      const agoMs = world.time.nowMs - call.endedMs;
      if (agoMs > END_IS_KNOWN_AFTER)
        world.fail('no push for a call that is over', `${call.id} is over since ${agoMs} ms (${call.end})`);
    },
  };
}
