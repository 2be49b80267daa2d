/** What a remembered look tells of a REGISTER that nobody saw: it came after that look, and was granted no more than what lies between. */
import { describe, expect, it } from 'vitest';
import type { AorRecord, BindingId, EndReason, KnownContact } from '../../plugin/core/binding.ts';
import type { LifecycleEvent, SeenContact } from '../../plugin/core/events.ts';
import { targetList } from '../../plugin/core/identity.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { apnsPair, bindingEndingIn, contactUri, MONDAY as NOW, recordOf } from '../support/builders.ts';

/** It expires in 45 hours. */
const EXPIRES = plus(NOW, 45 * HOUR);
const LONG_AGO = plus(NOW, -2 * DAY);

/** A contact is found now, or, `heardAt`, was heard registering then. */
const seen = (contact: Partial<SeenContact>, heardAt?: Instant): LifecycleEvent => ({
  type: 'ContactSeen',
  live: heardAt !== undefined,
  binds: true,
  at: heardAt ?? NOW,
  newId: 'aaaaaaaaaaaaaaaa' as BindingId,
  contact: { pbx: 'office', uri: contactUri(), ...contact },
});

/** The contact is looked at now; the look before that is remembered was so long ago. */
const look = (beforeMs: number | undefined, { uri = contactUri(), maximumMs = 5 * DAY } = {}): LifecycleEvent =>
  seen({
    uri,
    expiresAt: EXPIRES,
    maximumMs,
    ...(beforeMs === undefined ? {} : { grantedAtMostMs: EXPIRES - NOW + beforeMs }),
  });
const step = (record: AorRecord, event: LifecycleEvent) => transition(record, event, NOW, () => DEFAULT_POLICY).record;

/** Registered two days ago, and looked at then. */
const known = (change: Partial<KnownContact>, renewedAt: Instant = LONG_AGO): AorRecord =>
  recordOf(
    bindingEndingIn(5 * DAY, NOW, {
      renewedAt,
      contacts: [{ pbx: 'office', uri: contactUri(), seenAt: LONG_AGO, ...change }],
    }),
  );
const seenExpiry = { expiresAt: plus(NOW, HOUR), lookedAt: plus(NOW, -30 * HOUR) };

describe('the expiry of a contact has moved', () => {
  it.each([
    { of: 'since the look that is stored', contact: { seenExpiry }, before: undefined, proved: 30 * HOUR },
    { of: 'since a later look', contact: { seenExpiry }, before: 15 * MINUTE, proved: 15 * MINUTE },
    { of: 'and more is known by the AOR', contact: { seenExpiry }, before: undefined, max: 2 * DAY, proved: 3 * HOUR },
    {
      of: 'and it was granted no more than three days, as was found before',
      contact: { grantedMs: 3 * DAY, seenExpiry },
      before: 15 * MINUTE,
      proved: 15 * MINUTE,
    },
    {
      of: 'and an earlier look was wrong by some minutes, as a clock was then',
      contact: { grantedMs: 45 * HOUR - MINUTE, seenExpiry },
      before: 2 * MINUTE,
      proved: 2 * MINUTE,
    },
    {
      of: 'and by a clock that is wrong it was granted a minute less than was seen',
      contact: { grantedMs: 46 * HOUR },
      before: HOUR - MINUTE,
      proved: HOUR,
    },
    {
      of: 'and it was granted 46 hours, as was seen',
      contact: { grantedMs: 46 * HOUR },
      before: 5 * HOUR,
      proved: HOUR,
    },
  ])('$of', ({ contact, before, max, proved }) => {
    const [b] = step(known(contact), look(before, max === undefined ? {} : { maximumMs: max })).bindings;
    expect((NOW - (b?.renewedAt ?? 0)) / HOUR).toBe(proved / HOUR);
  });
});

describe('what was granted', () => {
  const contactAfter = (contact: Partial<KnownContact>, before: number) =>
    step(known(contact), look(before)).bindings[0]?.contacts[0];

  it('is known closer by each later look, and stays one that may be less', () => {
    const after = contactAfter({ grantedMs: 3 * DAY, seenExpiry }, 15 * MINUTE);
    expect(after).toMatchObject({ grantedMs: 45.25 * HOUR, seenExpiry: { expiresAt: EXPIRES, lookedAt: NOW } });
  });

  it('stays as it was seen where a look says that it may be more', () => {
    expect(contactAfter({ grantedMs: 46 * HOUR }, 5 * HOUR)).toEqual({
      pbx: 'office',
      uri: contactUri(),
      seenAt: plus(NOW, -HOUR),
      grantedMs: 46 * HOUR,
    });
  });
});

it('a look by a clock that was days ahead of the PBX’s says nothing of what was granted', () => {
  const ahead = { expiresAt: plus(NOW, HOUR), lookedAt: plus(NOW, 3 * DAY) };
  for (const contact of [{ seenExpiry: ahead }, { seenExpiry }]) {
    const [b] = step(
      known(contact),
      look(contact.seenExpiry === ahead ? undefined : -3 * DAY, { maximumMs: 2 * DAY }),
    ).bindings;
    const grantedMs = b?.contacts[0]?.grantedMs;
    expect(grantedMs === undefined || grantedMs > 0, String(grantedMs)).toBe(true);
  }
});

it('a contact that registered at some time after a look is not taken for one that was left behind', () => {
  const record = known({ grantedMs: HOUR, seenAt: plus(NOW, -HOUR) }, plus(NOW, -HOUR));
  const moved = look(2 * HOUR, { uri: contactUri({ port: 40009 }) });
  const { effects } = transition(record, moved, NOW, () => DEFAULT_POLICY);
  expect(effects).toEqual([]);
});

describe('an app that registers unseen and reports over HTTP', () => {
  const claim = { at: plus(NOW, -MINUTE), installId: 'app', targets: apnsPair() };
  const reported = (): AorRecord =>
    recordOf(
      bindingEndingIn(HOUR, NOW, {
        contacts: [],
        claim,
        reportedAt: plus(NOW, -3 * DAY),
        evidence: { installId: 'app' },
      }),
    );
  const uri = 'sip:1001@192.0.2.9:5060';

  it.each([
    { before: 15 * MINUTE, is: true },
    { before: 5 * HOUR, is: false },
    { before: undefined, is: false },
  ])('looks $before ms apart: borne out $is', ({ before, is }) => {
    const [b] = step(reported(), look(before, { uri })).bindings;
    expect(b?.claim === undefined).toBe(is);
  });
});

it('a phone whose time is up, held at a contact that nobody has dated, lives on: it has registered since we heard of it', () => {
  const old = recordOf(bindingEndingIn(-HOUR, NOW, { contacts: [], sent: [] }));
  const seen = step(old, look(undefined, { uri: contactUri({ port: 40009 }), maximumMs: 30 * DAY }));
  const tick: LifecycleEvent = { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' };
  const { record, effects } = transition(seen, tick, NOW, () => DEFAULT_POLICY);
  expect(effects.filter((e) => e.type === 'removeContact')).toEqual([]);
  expect(record.bindings[0]).toMatchObject({
    endsAt: plus(NOW, DEFAULT_POLICY.ttlMs),
    renewedAt: old.bindings[0]?.renewedAt,
  });
});

describe('two REGISTERs at one address within a tenth of a second, with new tokens', () => {
  const NEW = { voip: 'c'.repeat(64), other: 'd'.repeat(64) };
  const [before, now] = [contactUri(), contactUri(NEW)];
  const heard = (uri: string, ms: number) => seen({ uri, expiresAt: plus(NOW, HOUR), grantedMs: HOUR }, plus(NOW, ms));
  const first = step(known({}), heard(before, -100));

  it.each<[string, LifecycleEvent[], string]>([
    ['seen in their order', [heard(now, -40)], now],
    [
      'a look dates the second too early, and the first is reported after that',
      [heard(now, -70), heard(before, -64)],
      now,
    ],
    ['it has its former tokens again, later', [heard(now, -70), heard(before, SECOND)], before],
  ])('%s', (_, events, expected) => {
    const { bindings } = events.reduce(step, first);
    expect(bindings.map((b) => b.contacts.map((c) => c.uri))).toEqual([[expected]]);
  });
});

describe('two contacts of a device that registered within the same second', () => {
  const moved = contactUri({ port: 42_000 });
  const held = (uri: string, more: Partial<SeenContact> = {}) =>
    seen({ uri, expiresAt: plus(NOW, 58 * MINUTE), maximumMs: HOUR, ...more });
  const removed = (record: AorRecord, event: LifecycleEvent) =>
    transition(record, event, NOW, () => DEFAULT_POLICY).effects.flatMap((e) =>
      e.type === 'removeContact' ? [e.uri] : [],
    );

  it('both stay where a look finds them: nobody knows at which of them it listens', () => {
    const seenAt = plus(NOW, -HOUR);
    const contact = { pbx: 'office', seenAt };
    const expiresAt = plus(NOW, 58 * MINUTE);
    const before = recordOf(
      bindingEndingIn(5 * DAY, NOW, {
        renewedAt: seenAt,
        contacts: [
          { ...contact, uri: contactUri(), grantedMs: HOUR },
          { ...contact, uri: moved, seenExpiry: { expiresAt, lookedAt: plus(NOW, -MINUTE) } },
        ],
      }),
    );
    const event = held(contactUri());
    expect(removed(before, event)).toEqual([]);
    expect(step(before, event).bindings[0]?.contacts).toHaveLength(2);
  });

  it('the one that a REGISTER of the same second is known of does not take the other with it', () => {
    const seenAt = plus(NOW, -2 * MINUTE + 400);
    const before = known({ grantedMs: HOUR, seenAt }, seenAt);
    expect(removed(before, held(moved, { grantedMs: HOUR }))).toEqual([]);
  });

  it('one of which a look proves that it is older goes', () => {
    const seenAt = plus(NOW, -2 * HOUR);
    const before = known({ grantedMs: 3 * HOUR, seenAt }, seenAt);
    expect(removed(before, held(moved, { grantedMs: HOUR }))).toEqual([contactUri()]);
    expect(removed(known({ grantedMs: HOUR, seenAt: NOW }, NOW), held(moved, { grantedMs: HOUR }))).toEqual([moved]);
  });
});

describe('a phone whose binding ended by age while its PBX was away, and whose contact is found afterwards', () => {
  const { targets, id } = bindingEndingIn(DAY, NOW);
  const tokens = targetList(targets).map((t) => t.token.fingerprint);
  const ended = (endedAt: Instant): AorRecord => ({
    ...recordOf(),
    tombstones: [{ id, reason: 'age', endedAt, renewedAt: LONG_AGO, tokens }],
  });
  const found = seen({ expiresAt: plus(NOW, HOUR), maximumMs: 2 * HOUR });

  it.each([
    ['it has registered since, for nothing is granted beyond the account’s maximum', -2 * HOUR, 1],
    ['it may have registered before that: it stays ended', -30 * MINUTE, 0],
  ])('%s', (_, endedMs, bindings) => {
    expect(step(ended(plus(NOW, endedMs)), found).bindings).toHaveLength(bindings);
  });
});

describe('a binding is about to end, and its phone is found at another address, where it has registered since we heard of it', () => {
  const moved = contactUri({ port: 42_000 });
  const endsAt = plus(NOW, -10 * MINUTE);
  const ending = (reason: EndReason): AorRecord =>
    recordOf(
      bindingEndingIn(0, NOW, {
        renewedAt: LONG_AGO,
        endsAt,
        ending: { reason, since: endsAt, notice: 'due', contact: 'due' },
        contacts: [{ pbx: 'office', uri: contactUri(), seenAt: LONG_AGO, grantedMs: HOUR }],
      }),
    );
  const found = seen({ uri: moved, expiresAt: plus(NOW, 20 * MINUTE), maximumMs: 5 * DAY });

  it.each<[string, EndReason, boolean]>([
    ['by age: it lives', 'age', false],
    ['as its token is dead: it ends', 'token-dead', true],
  ])('%s', (_, reason, ends) => {
    const [binding] = step(ending(reason), found).bindings;
    expect([binding?.ending !== undefined, (binding?.endsAt ?? 0) > NOW]).toEqual([ends, !ends]);
    expect(binding?.contacts.map((c) => c.uri)).toEqual([contactUri(), moved]);
  });
});
