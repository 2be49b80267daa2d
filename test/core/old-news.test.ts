/** One REGISTER is reported by two sensors, and between the two reports the binding is dropped or its token called dead: the second one changes nothing. */
import { describe, expect, it } from 'vitest';
import type { AorRecord, BindingId, EndReason } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, plus, SECOND } from '../../plugin/core/time.ts';
import { apnsPair, bindingEndingIn, contactUri, MONDAY, recordOf } from '../support/builders.ts';

const register = (at: Instant): LifecycleEvent => ({
  type: 'ContactSeen',
  live: true,
  binds: true,
  at,
  newId: '00000000000000ff' as BindingId,
  contact: { pbx: 'office', uri: contactUri(), wireUri: contactUri(), grantedMs: HOUR },
});
const step = (record: AorRecord, event: LifecycleEvent) =>
  transition(record, event, plus(MONDAY, 100), () => DEFAULT_POLICY).record;

/** Its end began at MONDAY, and the contact has not gone yet. */
const ending = (reason: EndReason): AorRecord =>
  recordOf(bindingEndingIn(6 * DAY, MONDAY, { ending: { reason, since: MONDAY, notice: 'done', contact: 'due' } }));
const ended = (reason: EndReason): AorRecord => ({
  ...recordOf(),
  tombstones: [
    {
      id: '00000000000000b1' as BindingId,
      reason,
      endedAt: MONDAY,
      renewedAt: plus(MONDAY, -50),
      tokens: [apnsPair().call, apnsPair().other].flatMap((t) => (t ? [t.token.fingerprint] : [])),
    },
  ],
});
const lives = (record: AorRecord | undefined) => record?.bindings.some((b) => !b.ending) ?? false;

describe.each([
  ['ending', ending],
  ['ended', ended],
])('a binding that is %s', (_what, of) => {
  it.each<[EndReason, string, number, boolean]>([
    ['dropped', 'a moment before', -1, false],
    ['dropped', '5 s before', -5 * SECOND, false],
    ['dropped', 'longer before, by a clock that is wrong', -5 * SECOND - 1, true],
    ['dropped', 'at that moment', 0, true],
    ['dropped', 'since', 50, true],
    ['unregistered', 'a moment before: it registered again at once', -1, true],
    ['unregistered', 'since', 50, true],
    ['removed', 'a moment before', -1, true],
    ['age', 'a moment before: the phone lives', -1, true],
    ['token-dead', 'a moment before', -1, false],
    ['token-dead', 'longer before, by a clock that is wrong', -5 * SECOND - 1, true],
    ['token-dead', 'since', 50, true],
  ])('because it was %s, and a REGISTER %s', (reason, _when, ms, alive) => {
    expect(lives(step(of(reason), register(plus(MONDAY, ms))))).toBe(alive);
  });
});

describe('a token is called dead right after its REGISTER', () => {
  const dead = apnsPair().call?.token.fingerprint as string;
  const died = (at: Instant) =>
    ({ type: 'TokenDied', bindingId: '00000000000000ff', token: dead, at, since: at }) as LifecycleEvent;
  const held: LifecycleEvent = {
    type: 'ContactSeen',
    live: false,
    binds: true,
    at: plus(MONDAY, 200),
    newId: '00000000000000fe' as BindingId,
    contact: { pbx: 'office', uri: contactUri(), expiresAt: plus(MONDAY, HOUR), grantedMs: HOUR },
  };
  /** `other`: whether the device has a second token, to be notified by. */
  const withTokens = (event: LifecycleEvent, change: (uri: string) => string): LifecycleEvent => {
    if (event.type !== 'ContactSeen') return event;
    const uri = change(event.contact.uri);
    return { ...event, contact: { ...event.contact, uri, ...(event.live ? { wireUri: uri } : {}) } };
  };
  const both = (uri: string) => uri;
  const callOnly = (uri: string) => uri.replace('.voip&remote', '.voip').replace(/(pn-prid=\w+):voip&\w+:remote/, '$1');

  it.each([
    ['both tokens', both],
    ['the dead token alone', callOnly],
  ])('with %s: neither its second report nor what the PBX still holds revives the binding', (_what, tokens) => {
    const first = withTokens(register(MONDAY), tokens);
    let record = step(recordOf(), first);
    expect(lives(record)).toBe(true);
    record = step(record, died(plus(MONDAY, 50)));
    expect(lives(record)).toBe(false);
    expect(lives(step(record, first))).toBe(false);
    expect(lives(step(record, withTokens(held, tokens)))).toBe(false);
    const [binding] = record.bindings;
    const gone =
      binding?.contacts[0] &&
      step(record, { type: 'ContactGone', bindingId: binding.id, pbx: 'office', uri: binding.contacts[0].uri });
    expect(lives(step(gone ?? record, first))).toBe(false);
    expect(lives(step(gone ?? record, withTokens(held, tokens)))).toBe(false);
  });

  it('a REGISTER after the verdict binds, though it is reported before the verdict was acted on', () => {
    const record = step(step(recordOf(), register(MONDAY)), died(plus(MONDAY, 50)));
    expect(lives(step(record, register(plus(MONDAY, 60))))).toBe(true);
    const alone = step(step(recordOf(), withTokens(register(MONDAY), callOnly)), died(plus(MONDAY, 50)));
    const [binding] = alone.bindings;
    const uri = binding?.contacts[0]?.uri ?? '';
    const buried = binding ? step(alone, { type: 'ContactGone', bindingId: binding.id, pbx: 'office', uri }) : alone;
    expect(buried.bindings).toEqual([]);
    expect(lives(step(buried, withTokens(register(plus(MONDAY, 60)), callOnly)))).toBe(true);
  });

  it('a REGISTER from before with a new token binds', () => {
    const record = step(step(recordOf(), register(MONDAY)), died(plus(MONDAY, 50)));
    const fresh = withTokens(register(plus(MONDAY, 40)), (uri) => uri.replace(/pn-prid=\w{8}/, 'pn-prid=0badcafe'));
    expect(lives(step(record, fresh))).toBe(true);
  });
});

describe('two sensors report two REGISTERs of one phone, and the slower report of the first comes last', () => {
  const first = contactUri();
  const second = contactUri({ voip: 'c'.repeat(64), other: 'd'.repeat(64) });
  const at = (uri: string, when: Instant): LifecycleEvent => ({
    type: 'ContactSeen',
    live: true,
    binds: true,
    at: when,
    newId: '00000000000000fd' as BindingId,
    contact: { pbx: 'office', uri, grantedMs: HOUR },
  });
  const removed = (record: AorRecord, event: LifecycleEvent) =>
    transition(record, event, plus(MONDAY, 10 * SECOND), () => DEFAULT_POLICY).effects.filter(
      ({ type }) => type === 'removeContact',
    );
  const tokens = (record: AorRecord) => record.bindings.map((b) => b.targets.call?.token.reveal());

  it('the device keeps the tokens that it told last, and the contact that it listens at', () => {
    const now = step(step(recordOf(), at(first, MONDAY)), at(second, plus(MONDAY, 2 * SECOND)));
    const late = at(first, MONDAY);
    expect(removed(now, late)).toEqual([]);
    expect(tokens(step(now, late))).toEqual(['c'.repeat(64)]);
  });

  it('the same where they had seemed two devices until then', () => {
    // The second one’s report came alone, from another address; then it moved to the first one’s.
    const moved = contactUri({ port: 40009, voip: 'c'.repeat(64), other: 'd'.repeat(64) });
    let record = step(step(recordOf(), at(first, plus(MONDAY, -DAY))), at(moved, plus(MONDAY, 1 * SECOND)));
    record = step(record, at(second, plus(MONDAY, 2 * SECOND)));
    const late = at(first, MONDAY);
    expect(removed(record, late)).toEqual([]);
    expect(tokens(step(record, late))).toContain('c'.repeat(64));
  });

  it.each([
    ['later: the device has gone back to it', 3 * SECOND],
    ['much earlier, by a clock that was set back', -1 * HOUR],
  ])('a REGISTER that is dated %s counts', (_what, ms) => {
    const now = step(step(recordOf(), at(first, MONDAY)), at(second, plus(MONDAY, 2 * SECOND)));
    expect(tokens(step(now, at(first, plus(MONDAY, ms))))).toEqual(['a'.repeat(64)]);
  });

  it('a token that is new is news whenever it registered', () => {
    const now = step(step(recordOf(), at(first, MONDAY)), at(second, plus(MONDAY, 2 * SECOND)));
    const fresh = contactUri({ port: 40001, voip: 'e'.repeat(64), other: 'f'.repeat(64) });
    expect(tokens(step(now, at(fresh, plus(MONDAY, 1 * SECOND))))).toEqual(['e'.repeat(64)]);
  });
});

describe('a look at the PBX that waited until the store was back', () => {
  const look = (at: Instant, expiresAt: Instant): LifecycleEvent => ({
    type: 'ContactSeen',
    live: false,
    binds: true,
    at,
    newId: '00000000000000fc' as BindingId,
    contact: { pbx: 'office', uri: contactUri(), expiresAt },
  });
  const of = (record: AorRecord, event: LifecycleEvent, now: Instant) =>
    transition(record, event, now, () => DEFAULT_POLICY).record;
  const minutes = (m: number) => plus(MONDAY, m * 60 * SECOND);

  it.each([
    ['of a known device', recordOf(bindingEndingIn(6 * DAY, MONDAY, { contacts: [] }))],
    ['of a device that nobody knew', recordOf()],
  ])('%s: what has changed since then is dated from the look, not from when it was saved', (_what, before) => {
    // Granted two hours at noon, looked at then, and saved 110 min later. It registered once more at half past twelve.
    const saved = of(before, look(MONDAY, minutes(120)), minutes(110));
    const moved = of(saved, look(minutes(115), minutes(150)), minutes(115));
    const [binding] = of(moved, look(minutes(130), minutes(150)), minutes(130)).bindings;
    expect(binding?.renewedAt).toBeLessThanOrEqual(minutes(30));
  });
});
