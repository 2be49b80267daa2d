/** Oracles of calls: what would have rung without us rings, who is woken rings, nobody rings twice, everybody hears how it ended. */

import { MINUTE, SECOND } from '../../../plugin/core/time.ts';
import { callIdOf } from '../../../plugin/core/wake.ts';
import type { Call } from '../call.ts';
import type { Oracle } from '../oracle.ts';
import type { Phone } from '../phone.ts';
import type { TokenTruth } from '../push-service.ts';
import { AFTER_A_CALL, type World } from '../world.ts';
import { ALL_BUT_PHONES, bindingWith, isCalm, keepLatest, liveOf, MACHINES } from './support.ts';

/** The guards of two nodes and of a stored contact one after the other, and a moment. */
const RINGS_WITHIN = 2 * 1_500 + 1_800 + 500;
/** After its REGISTER it is dialled within this: the longest grace for an INVITE that is under way to its stored contact. */
const DIALLED_WITHIN = 1_200;
/** Then it rings within this. */
const RINGS_THEN_WITHIN = 800;
/** At another address it is dialled when the INVITE to the one before has had this time, and at no more than three (ADR 0142). */
const ANEW_AFTER = 2 * SECOND;
const ADDRESSES_AT_MOST = 3;

const withoutPush = (uri: string | undefined) => uri?.replace(/;pn-.*$/, '');
const isSamePlace = (a: string | undefined, b: string) => withoutPush(a) === withoutPush(b);

/** The addresses at which a phone has come for a call, and when it must have been dialled at the last of them. */
interface Came {
  readonly at: Set<string>;
  dialledByMs: number;
}

/** The second, trivially simple model: the plain dialplan rings each phone that is awake at a contact that the PBX holds. */
export function ringsAsWithoutUs(): Oracle {
  const rung = new WeakMap<Call, Set<Phone>>();
  return {
    name: 'rings as without us',
    why: 'A phone that is awake and registered rings for a call within the guards, whatever pushwake does or does not do.',
    callStarted(call, world) {
      const { pbx } = call.o;
      const has = new Set<Phone>();
      rung.set(call, has);
      for (const phone of pbx.phones.get(call.aor) ?? []) {
        const uri = phone.listens.get(call.aor);
        if (uri === undefined || !pbx.held(call.aor).some((c) => c.uri === uri)) continue;
        const { slept } = phone;
        world.time.after(RINGS_WITHIN, () => {
          const isLost = call.end === 'refused' || call.end === 'nobody';
          const mayBeDeclined = world.policy.declineEverywhere && call.end === 'refused';
          if ((call.isOver && !isLost) || mayBeDeclined || has.has(phone)) return;
          if (phone.listens.get(call.aor) !== uri || phone.slept !== slept) return;
          // The PBX refused the order to dial, after that by which its stored contact gave way.
          if (world.faulty.had(['ordersFail'], call.startedMs)) return;
          world.fail(
            'rings as without us',
            `${phone.name} is awake at ${uri.slice(0, 40)} and ${call.id} does not ring it`,
          );
        });
      }
    },
    rang(call, phone) {
      rung.get(call)?.add(phone);
    },
  };
}

export function oneInviteAtATime(): Oracle {
  return {
    name: 'one INVITE at a time',
    why: 'Two INVITEs of one call make a phone ring twice, and the second call of it can be answered into nothing.',
    rang(call, phone, leg, atOnce, world) {
      // A new life of a node does not know what the one before let ring, nor a PBX that refuses orders whose leg it ended.
      if (call.changedHands || world.faulty.had(['ordersFail'], call.startedMs)) return;
      // At its second address nothing tells it from another phone, where its Contact says nothing of it: each address rings once.
      const at = call.legs.filter((l) => l.phone === phone && (l.state === 'dialling' || l.state === 'ringing'));
      const areAddresses = new Set(at.map((l) => l.uri)).size === at.length;
      if (phone.o.reports && at.length > 1 && areAddresses) return;
      if (atOnce > 1)
        world.fail('one INVITE at a time', `${phone.name} rings ${atOnce} times for ${call.id}, last by ${leg.kind}`);
    },
  };
}

/** Needs to know who registers: the PBX reports it to the world. */
export function wokenRings(): Oracle {
  const rung = new WeakMap<Call, Set<Phone>>();
  const addresses = new WeakMap<Call, Map<Phone, Came>>();
  return {
    name: 'who is woken rings',
    why: 'A phone that was pushed and registers while its caller still waits gets the call.',
    callStarted(call) {
      rung.set(call, new Set());
      addresses.set(call, new Map());
    },
    rang(call, phone) {
      rung.get(call)?.add(phone);
    },
    registered(phone, aor, uri, world) {
      const { pbx } = phone.o;
      for (const call of pbx.calls) {
        if (call.aor !== aor || call.wentPlain || call.callId === undefined) continue;
        const binding = bindingWith(world.store.record(aor), phone.other ?? phone.voip ?? '');
        const leg = call.legs.find((l) => l.kind === 'device' && binding && l.ref.endsWith(`d${binding.id}`));
        if (!binding || !leg || leg.state === 'ended' || rung.get(call)?.has(phone)) continue;
        const { nowMs } = world.time;
        const of = addresses.get(call);
        const came = of?.get(phone) ?? { at: new Set(), dialledByMs: nowMs + DIALLED_WITHIN };
        of?.set(phone, came);
        const isFirst = came.at.size === 0;
        const isNew = !came.at.has(uri);
        came.at.add(uri);
        if (came.at.size > ADDRESSES_AT_MOST) continue;
        if (isNew && !isFirst) came.dialledByMs = Math.max(came.dialledByMs + ANEW_AFTER, nowMs);
        world.time.after(Math.max(nowMs + DIALLED_WITHIN, came.dialledByMs) + RINGS_THEN_WITHIN - nowMs, () => {
          if (call.isOver || rung.get(call)?.has(phone) || phone.listens.get(aor) !== uri) return;
          if (!isCalm(world, MACHINES, 10 * MINUTE)) return;
          // What it says in its Contact names no device, so that its contact was dialled at once: its next INVITE comes by RFC 3261's timer A.
          if (phone.o.reports && call.legs.some((l) => l.kind === 'plain' && l.uri === uri && l.state !== 'ended'))
            return;
          // It had lost its sockets after the INVITE had come: over UDP nobody knows, and the next one comes by timer A.
          // Also where it has new tokens at that address: the INVITE says the old ones, and the world's phone does not know itself by them.
          const isUnderWay = call.legs.some((l) => l.state === 'dialling' && isSamePlace(l.uri, uri));
          if (uri.includes('transport=udp') && isUnderWay) return;
          // A new install of another phone, which nothing tells from this one, has taken its leg: there is no second one.
          if (leg.uri !== undefined && !came.at.has(leg.uri)) return;
          // Where its Contact says nothing of it, so is it at its second address.
          if (leg.uri !== undefined && leg.uri !== uri && phone.o.reports) return;
          world.fail('who is woken rings', `${phone.name} came for ${call.id} and is not rung; its leg: ${leg.state}`);
        });
      }
    },
  };
}

/** Who is bound is pushed, whatever the brake holds. */
export function everybodyIsPushed(): Oracle {
  const pushedAt = new Map<string, number>();
  const rounds = new Map<string, number>();
  return {
    name: 'everybody is pushed',
    why: 'A bound phone that is not pushed for a call sleeps through it.',
    attempted({ request }, world) {
      if (request.purpose === 'call') pushedAt.set(`${request.aor} ${request.target.token.reveal()}`, world.time.nowMs);
    },
    callStarted(call, world) {
      const round = `${call.o.linkedId} ${call.aor}`;
      const isFirst = !rounds.has(round);
      rounds.set(round, world.time.nowMs);
      keepLatest(rounds, 100);
      if (!isFirst || world.settings.mode !== 'full' || !isCalm(world, ALL_BUT_PHONES, 10 * MINUTE)) return;
      const devices = liveOf(world.store.record(call.aor));
      world.time.after(1 * SECOND, () => {
        if (call.isOver || !isCalm(world, ALL_BUT_PHONES, 10 * MINUTE)) return;
        for (const b of devices) {
          const target = b.targets.call ?? b.targets.other;
          if (!target || !liveOf(world.store.record(call.aor)).some((x) => x.id === b.id)) continue;
          const at = pushedAt.get(`${call.aor} ${target.token.reveal()}`) ?? Number.NEGATIVE_INFINITY;
          if (at < call.startedMs)
            world.fail('everybody is pushed', `device ${b.id} of ${call.aor} is not pushed for ${call.id}`);
        }
      });
    },
  };
}

interface Pushed {
  /** Distinct pushes, their retries not counted. */
  readonly words: Set<string>;
  accepted: boolean;
}

export function oneClosingWord(): Oracle {
  /** By token: an app that was installed anew is another device to everybody. */
  const calls = new Map<string, Map<TokenTruth, Pushed>>();
  /** Who came for a call, and at which addresses it registered. */
  const came = new WeakMap<Call, Map<Phone, Set<string>>>();
  /** Tokens for everything but calls that were known when the call began. */
  const known = new WeakMap<Call, Set<string>>();
  const times = new Map<string, number>();
  const of = (callId: string, truth: TokenTruth): Pushed => {
    const devices = calls.get(callId) ?? new Map<TokenTruth, Pushed>();
    calls.set(callId, devices);
    // An iPhone is pushed by one token for the call and hears the word by the other.
    const key = [...devices.keys()].find((t) => t.phone === truth.phone && t.install === truth.install) ?? truth;
    const pushed = devices.get(key) ?? { words: new Set<string>(), accepted: false };
    devices.set(key, pushed);
    return pushed;
  };
  const cameAt = (call: Call, phone: Phone, uri: string | undefined) => {
    const phones = came.get(call);
    const at = phones?.get(phone) ?? new Set();
    if (uri !== undefined) at.add(uri);
    phones?.set(phone, at);
  };
  const idOf = (call: Call) => callIdOf(call.o.pbx.name, call.o.linkedId, call.aor);
  const judge = (call: Call, world: World) => {
    const id = idOf(call);
    const rounds = times.get(id) ?? 1;
    const devices = calls.get(id);
    if (rounds === 1) calls.delete(id);
    for (const [{ phone, install }, { words, accepted }] of devices ?? []) {
      // A second node that was asked when the guard of the first ran out sends its own; the service replaces one by the other.
      const most = isCalm(world, MACHINES, 15 * MINUTE) ? rounds : rounds * world.nodes.length;
      if (words.size > most) world.fail('one closing word', `${phone.name} hears ${words.size} of ${call.id}`);
      const mustHear =
        rounds === 1 &&
        accepted &&
        phone.other !== undefined &&
        install === phone.install &&
        !came.get(call)?.has(phone);
      if (!mustHear || words.size > 0 || !isCalm(world, ALL_BUT_PHONES, 15 * MINUTE)) continue;
      // A service had called its other token dead, truly or not: then nothing but calls reached it.
      if (!known.get(call)?.has(phone.other ?? '')) continue;
      // Its binding may have ended, or its token changed, while the call waited.
      const binding = bindingWith(world.store.record(call.aor), phone.other ?? '');
      if (!binding) continue;
      // Another phone came that says nothing of itself in its Contact, and rang by the leg of this one: nobody can tell that it was not this one.
      const leg = call.legs.find((l) => l.kind === 'device' && l.ref.endsWith(`d${binding.id}`));
      const isTaken = [...(came.get(call) ?? [])].some(
        ([p, at]) => p !== phone && p.o.reports && leg?.uri !== undefined && at.has(leg.uri),
      );
      if (isTaken) continue;
      world.fail('one closing word', `${phone.name} was pushed for ${call.id} and never hears how it ended`);
    }
  };
  return {
    name: 'one closing word',
    why: 'A phone that was pushed and did not get the call shows it until it hears how it ended; two words are a puzzle.',
    attempted({ request, truth }) {
      if (request.purpose === 'cancel' && truth) of(request.callId, truth).words.add(request.pushId);
    },
    answered({ request, truth, outcome }) {
      if (request.purpose === 'call' && truth && outcome?.kind === 'accepted')
        of(request.callId, truth).accepted = true;
    },
    callStarted(call, world) {
      came.set(call, new Map());
      known.set(
        call,
        new Set(liveOf(world.store.record(call.aor)).flatMap((b) => b.targets.other?.token.reveal() ?? [])),
      );
      const id = idOf(call);
      times.set(id, (times.get(id) ?? 0) + 1);
    },
    rang(call, phone, leg) {
      cameAt(call, phone, leg.uri);
    },
    registered(phone, aor, uri) {
      // It may be rung, or have been about to be.
      for (const call of phone.o.pbx.calls) if (call.aor === aor) cameAt(call, phone, uri);
    },
    callEnded(call, world) {
      if (call.end !== 'PBX died') world.time.after(AFTER_A_CALL, () => judge(call, world));
    },
  };
}
