/** Calls that wait, with a scripted PBX, push service and clock: the order of things, what comes too early, and what is left over. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { LinkError } from '../../plugin/ports/pbx-link.ts';
import { AOR, apnsPair, bindingEndingIn, contactUri, MONDAY, recordOf } from '../support/builders.ts';
import { settle } from '../support/fake-clock.ts';
import { arrival, ended, leg, REFS, WaitingSite } from '../support/waiting-site.ts';

let site: WaitingSite;
beforeEach(async () => {
  site = await new WaitingSite().start();
});
afterEach(() => {
  site.wakes.stop();
  expect(site.clock.pending()).toBe(0);
});

describe('a call', () => {
  it('pushes first, asks, composes; rings when the phone registers; is over with the answer', async () => {
    await site.call();
    expect(site.pushed).toEqual(['call']);
    expect(site.orders('compose')).toMatchObject([{ legId: 'wake', ring: [{ kind: 'device', ref: REFS.device }] }]);
    await site.tell(leg('device'));
    expect(site.orders('ring')).toEqual([]);
    site.pbx.register('1001', contactUri({ port: 40002 }));
    await settle(3);
    expect(site.orders('ring')).toEqual([{ order: 'ring', legId: 'device', uri: contactUri({ port: 40002 }) }]);
    await site.tell({ type: 'legRinging', pbx: 'office', ref: REFS.device });
    await site.tell({ type: 'legAnswered', pbx: 'office', legId: 'device' });
    expect(site.wakes.waiting).toBe(0);
    expect(site.watched).toEqual([true, false]);
    expect(site.pushed).toEqual(['call']);
    expect(site.traces.find(AOR)[0]).toMatchObject({ outcome: 'answered' });
  });

  it('is traced in the order in which things happen, closing pushes behind what ended it', async () => {
    await site.call();
    await site.tell(leg('device'), { type: 'legAnswered', pbx: 'office', legId: 'wake' });
    await settle(5);
    const steps = site.traces.find(AOR)[0]?.steps.map(({ step }) => step) ?? [];
    expect(steps.filter((step) => ['pushSent', 'answered', 'told', 'over'].includes(step))).toEqual([
      'pushSent',
      'answered',
      'told',
      'over',
    ]);
  });

  it('a stored contact that was held back: how fast the phone is counts from its INVITE', async () => {
    const uri = contactUri();
    site.record = recordOf(bindingEndingIn(6 * DAY, MONDAY, { wakes: [1_700, 1_700] }));
    site.pbx.restore([{ pbx: 'office', aor: AOR, uri, expiresAt: plus(MONDAY, HOUR - MINUTE) }]);
    await site.call();
    await site.tell(leg('stored'), leg('device'));
    expect(site.orders('ring'), 'it slept lately, so the push goes first').toEqual([]);
    await site.clock.advance(1_800);
    await site.tell({ type: 'legDials', pbx: 'office', legId: 'stored' });
    await site.clock.advance(40);
    await site.tell({ type: 'legRinging', pbx: 'office', ref: REFS.stored });
    await site.tell({ type: 'legAnswered', pbx: 'office', legId: 'stored' });
    await settle(5);
    expect(site.record?.bindings[0]?.wakes).toEqual([1_700, 1_700, 40]);
  });

  // A phone that was suspended reads INVITE and CANCEL at once, and its 180 may overtake the end of the call.
  it.each([
    ['rings 40 ms before its caller hangs up: nothing is known', 352, 40, [1_700]],
    ['rings 499 ms before its caller hangs up: nothing is known', 352, 499, [1_700]],
    ['rings half a second before its caller hangs up: it was awake', 352, 500, [1_700, 352]],
  ])('a phone that does not register and %s', async (_what, dialledMs, rangMs, wakes) => {
    site.record = recordOf(bindingEndingIn(6 * DAY, MONDAY, { wakes: [1_700] }));
    site.pbx.restore([{ pbx: 'office', aor: AOR, uri: contactUri(), expiresAt: plus(MONDAY, HOUR - MINUTE) }]);
    await site.call();
    await site.tell(leg('stored'), leg('device'), { type: 'legDials', pbx: 'office', legId: 'stored' });
    await site.clock.advance(dialledMs);
    await site.tell({ type: 'legRinging', pbx: 'office', ref: REFS.stored });
    await site.clock.advance(rangMs);
    await site.tell(ended('wake', 127, false));
    await settle(5);
    expect(site.record?.bindings[0]?.wakes).toEqual(wakes);
  });

  it.each([
    ['a phone that did not come is counted', 0, [1_700, null]],
    ['the link was away meanwhile: nothing is known', 1, [1_700]],
  ])('%s', async (_what, times, wakes) => {
    site.record = recordOf(bindingEndingIn(6 * DAY, MONDAY, { wakes: [1_700] }));
    await site.call();
    await site.tell(leg('device'));
    for (let i = 0; i < times; i++) await site.tell({ type: 'linkDown', pbx: 'office', reason: 'connection lost' });
    await site.clock.advance(20 * SECOND);
    await site.tell(ended('device', 19, false), ended('wake', 19, false));
    await settle(5);
    expect(site.record?.bindings[0]?.wakes).toEqual(wakes);
  });

  it.each([2 * DAY, -2 * DAY])('takes the time it takes when the wall clock is set by %d ms meanwhile', async (ms) => {
    const { other } = apnsPair();
    const course = async (at: WaitingSite, jump: number) => {
      // Pushed once more after six seconds, as Android is.
      at.record = recordOf(bindingEndingIn(6 * DAY, MONDAY, { targets: other ? { other } : {} }));
      await at.call();
      await at.tell(leg('device'));
      at.clock.jump(jump);
      await at.tell({ type: 'legRinging', pbx: 'office', ref: 'nobody' });
      await at.clock.advance(5 * SECOND);
      const early = at.pushed.length;
      await at.clock.advance(5 * SECOND);
      return { early, pushed: at.pushed, orders: at.pbx.orders };
    };
    const plain = await new WaitingSite().start();
    const expected = await course(plain, 0);
    plain.wakes.stop();
    expect([expected.early, expected.pushed], 'control').toEqual([1, ['call', 'call']]);
    expect(await course(site, ms)).toEqual(expected);
  });

  it.each<[string, number, boolean, number]>([
    ['once: it is given once more, and the phone rings', 1, true, 2],
    ['each time: not more than twice', 9, true, 2],
    ['and the link is down: the leg is told when it is back', 1, false, 1],
  ])('the PBX refuses the order to ring %s', async (_, refusals, isUp, tries) => {
    const ring = site.pbx.ring.bind(site.pbx);
    let left = refusals;
    site.pbx.ring = async (...args) => {
      const done = await ring(...args);
      if (left-- > 0) throw new LinkError('overloaded');
      return done;
    };
    await site.call();
    await site.tell(leg('device'));
    site.pbx.register('1001', contactUri({ port: 40002 }));
    await settle(3);
    expect(site.orders('ring')).toHaveLength(1);
    if (!isUp) site.pbx.disconnect();
    await site.clock.advance(SECOND);
    expect(site.orders('ring')).toHaveLength(tries);
    expect(site.orders('ring')).toEqual(
      Array(tries).fill({ order: 'ring', legId: 'device', uri: contactUri({ port: 40002 }) }),
    );
    expect(site.traces.find(AOR)[0]?.status).toBe(refusals < tries ? 'WOKEN' : 'NOBODY');
  });

  it('the order that ends its stored leg failed as well: given again before its phone is dialled, which rings once', async () => {
    await site.call();
    await site.tell(leg('device'), leg('stored'));
    const { ring, giveUp } = site.pbx;
    site.pbx.ring = site.pbx.giveUp = () => Promise.reject(new LinkError('not connected'));
    site.pbx.register('1001', contactUri({ port: 40002 }));
    await settle(3);
    Object.assign(site.pbx, { ring, giveUp });
    await site.clock.advance(SECOND);
    expect(site.pbx.orders.slice(-2)).toMatchObject([
      { order: 'giveUp', legId: 'stored' },
      { order: 'ring', legId: 'device' },
    ]);
  });

  it('the call is over before it is given once more', async () => {
    site.pbx.ring = () => Promise.reject(new LinkError('overloaded'));
    await site.call();
    await site.tell(leg('device'));
    site.pbx.register('1001', contactUri({ port: 40002 }));
    await settle(3);
    const tried = vi.fn(() => Promise.resolve('done' as const));
    site.pbx.ring = tried;
    await site.tell(ended('wake', 127, true));
    await site.clock.advance(SECOND);
    expect(tried).not.toHaveBeenCalled();
  });

  it('the push does not wait for the PBX, nor for the store’s writer', async () => {
    site.pbx.ask = () => new Promise(() => undefined);
    await site.call();
    expect(site.pushed).toEqual(['call']);
    expect(site.written).toBe(0);
  });

  it('a PBX that cannot be asked: the plain path, and the phone is told', async () => {
    site.pbx.up = false;
    await site.call();
    expect(site.orders('compose')).toMatchObject([{ ring: [] }]);
    expect(site.pushed).toEqual(['call', 'cancel gave-up']);
  });

  it('no binding: the plain path, nothing is asked or watched', async () => {
    site.record = undefined;
    await site.call();
    expect(site.orders('compose')).toMatchObject([{ ring: [] }]);
    expect([site.pushed, site.pbx.asks, site.watched]).toEqual([[], 0, []]);
  });

  it('a store that hangs: after a quarter of a second the plain path', async () => {
    site.store = new Promise(() => undefined);
    await site.call();
    expect(site.orders('compose')).toEqual([]);
    await site.clock.advance(250);
    expect(site.orders('compose')).toMatchObject([{ ring: [] }]);
  });

  it('observe: logs what it would do and takes the plain path', async () => {
    site.wakes.stop();
    site = await new WaitingSite('observe').start();
    await site.call();
    expect(site.pushed).toEqual([]);
    expect(site.orders('compose')).toMatchObject([{ ring: [] }]);
    expect(site.log.lines.find((l) => l.message === 'observe: would wake')?.fields).toMatchObject({ wouldPush: 1 });
  });

  it('a contact that is merely held does not ring a phone', async () => {
    await site.call();
    await site.tell(leg('device'));
    const contact = { pbx: 'office', aor: AOR, uri: contactUri({ port: 40002 }) };
    await site.tell({ type: 'contactSeen', contact, how: 'ask', at: site.clock.now() });
    expect(site.orders('ring')).toEqual([]);
  });

  // The PBX dates the call and the REGISTER by its clock.
  it.each([
    ['2 s behind ours', -2 * SECOND],
    ['2 s ahead of ours', 2 * SECOND],
  ])('a REGISTER rings the phone where the clock of the PBX is %s', async (_what, skew) => {
    await site.tell({ ...arrival, startedAt: plus(MONDAY, skew) });
    await site.tell(leg('device'));
    const contact = { pbx: 'office', aor: AOR, uri: contactUri({ port: 40002 }) };
    await site.tell({ type: 'contactSeen', contact, how: 'event', at: plus(MONDAY, skew + 500) });
    expect(site.orders('ring')).toHaveLength(1);
  });

  it('a REGISTER from before the call does not ring a phone', async () => {
    await site.call();
    await site.tell(leg('device'));
    const contact = { pbx: 'office', aor: AOR, uri: contactUri({ port: 40002 }) };
    await site.tell({ type: 'contactSeen', contact, how: 'hep', at: plus(site.clock.now(), -1) });
    expect(site.orders('ring')).toEqual([]);
  });

  it('a phone that is told before its contact is read rings at once, and once', async () => {
    await site.call();
    await site.tell(leg('device'));
    const contact = { pbx: 'office', aor: AOR, uri: contactUri({ port: 40002 }) };
    const at = site.clock.now();
    await site.tell({ type: 'contactComing', pbx: 'office', contact, at });
    expect(site.orders('ring')).toEqual([{ order: 'ring', legId: 'device', uri: contact.uri }]);
    expect(site.written, 'nothing is recorded of it').toBe(0);
    await site.tell({ type: 'contactSeen', contact: { ...contact, expiresAt: plus(at, HOUR) }, how: 'event', at });
    expect(site.orders('ring')).toHaveLength(1);
    const seen = site.traces.find(AOR)[0]?.steps.filter(({ step }) => step === 'registerSeen');
    expect(seen).toMatchObject([{ sensor: 'event' }]);
  });

  it.each([
    ['from before the call', 'office', -1],
    ['at another PBX', 'branch', 0],
  ])('one that is told %s does not ring', async (_what, pbx, ms) => {
    await site.call();
    await site.tell(leg('device'));
    const contact = { pbx, aor: AOR, uri: contactUri({ port: 40002 }) };
    await site.tell({ type: 'contactComing', pbx, contact, at: plus(site.clock.now(), ms) });
    expect(site.orders('ring')).toEqual([]);
  });

  it('a call whose end nobody tells is forgotten five minutes after its ring time', async () => {
    await site.call();
    await site.clock.advance(DEFAULT_POLICY.ringTimeMs + 5 * MINUTE - 1);
    expect(site.wakes.waiting).toBe(1);
    await site.clock.advance(1);
    expect(site.wakes.waiting).toBe(0);
    expect(site.watched).toEqual([true, false]);
  });
});

describe('what comes too early', () => {
  it('the caller is gone before the record was read: nobody is pushed', async () => {
    const read = Promise.withResolvers<void>();
    site.store = read.promise;
    await site.tell(arrival, ended('wake', 127));
    read.resolve();
    await settle(3);
    expect(site.pushed).toEqual([]);
    expect(site.wakes.waiting).toBe(0);
  });

  it('the caller is gone before the order to ring: its phone, which was to hear that by a CANCEL, is told', async () => {
    const ordered = Promise.withResolvers<'gone'>();
    // What the fake takes is done; a real PBX answers that the leg had ended.
    Object.assign(site.pbx, { ring: () => ordered.promise });
    await site.call();
    await site.tell(leg('device'));
    site.pbx.register('1001', contactUri({ port: 40002 }));
    await settle(3);
    await site.tell(ended('device', 127), ended('wake', 127));
    expect(site.pushed).toEqual(['call']);
    ordered.resolve('gone');
    await settle(3);
    expect(site.pushed).toEqual(['call', 'cancel cancelled']);
  });

  it('the caller is gone before the PBX was asked: one push, one word', async () => {
    const asked = Promise.withResolvers<never>();
    site.pbx.ask = () => asked.promise;
    await site.call();
    await site.tell(ended('wake', 127));
    asked.reject(new Error('too late'));
    await settle(3);
    expect(site.pushed).toEqual(['call', 'cancel cancelled']);
    expect(site.orders('compose')).toEqual([]);
  });

  it('the same leg is told twice, because the link was away: composed again, pushed once', async () => {
    await site.call();
    await site.call();
    expect(site.pushed).toEqual(['call']);
    expect(site.orders('compose')).toHaveLength(2);
    expect(site.wakes.waiting).toBe(1);
  });
});

describe('a push that is not taken', () => {
  it('out of order: the stored contact is rung at once, and no attempt follows the end of the call', async () => {
    site.record = recordOf(
      bindingEndingIn(6 * DAY, MONDAY, {
        contacts: [
          { pbx: 'office', uri: contactUri({ transport: 'udp' }), seenAt: plus(MONDAY, -DAY), grantedMs: HOUR },
        ],
      }),
    );
    site.pbx.register('1001', contactUri({ transport: 'udp' }), { grantedMs: 30 * MINUTE, told: false });
    const first = Promise.withResolvers<{ kind: 'retryLater'; reason: string }>();
    site.push.next(first.promise);
    await site.call();
    await site.tell(leg('stored'), leg('device'));
    expect(site.orders('ring')).toEqual([]);
    first.resolve({ kind: 'retryLater', reason: 'ServiceUnavailable' });
    await settle(3);
    expect(site.orders('ring')).toMatchObject([{ legId: 'stored' }]);
    await site.tell({ type: 'legRinging', pbx: 'office', ref: REFS.stored }, ended('wake', 127));
    await site.clock.advance(MINUTE);
    expect(site.pushed).toEqual(['call']);
  });

  it('the first attempt fails after the end of the call: no second one', async () => {
    const first = Promise.withResolvers<{ kind: 'retryLater'; reason: string }>();
    site.push.next(first.promise);
    await site.call();
    await site.tell(ended('wake', 26));
    first.resolve({ kind: 'retryLater', reason: 'ServiceUnavailable' });
    await site.clock.advance(MINUTE);
    expect(site.pushed).toEqual(['call', 'cancel elsewhere']);
  });

  // Its user would read of a call that rings already, and iOS would show it a second time.
  it.each<[what: string, uri: string, goesOn: boolean]>([
    ['its phone comes by itself: it is not pushed for a call that it rings for', contactUri({ port: 40002 }), false],
    ['a phone comes that proves nothing: it may be another one', 'sip:1001@192.0.2.9:41000;transport=tls', true],
  ])('again and again, and %s', async (_what, uri, goesOn) => {
    site.push.answersAll = { kind: 'retryLater', reason: 'ServiceUnavailable' };
    await site.call();
    await site.tell(leg('device'));
    await site.clock.advance(SECOND);
    const before = site.pushed.length;
    expect(before, 'control').toBeGreaterThan(1);
    site.pbx.register('1001', uri);
    await settle(3);
    expect(site.orders('ring')).toMatchObject([{ legId: 'device', uri }]);
    await site.clock.advance(20 * SECOND);
    expect(site.pushed.length > before).toBe(goesOn);
    site.push.answersAll = undefined;
    await site.tell(ended('wake', 127));
    await site.clock.advance(20 * SECOND);
  });

  it('its phone has come before the first attempt fails: no second one', async () => {
    const first = Promise.withResolvers<{ kind: 'retryLater'; reason: string }>();
    site.push.next(first.promise);
    await site.call();
    await site.tell(leg('device'));
    site.pbx.register('1001', contactUri({ port: 40002 }));
    await settle(3);
    first.resolve({ kind: 'retryLater', reason: 'ServiceUnavailable' });
    await site.clock.advance(20 * SECOND);
    expect(site.pushed).toEqual(['call']);
  });

  it('a dead token: the call goes on before the verdict is written, and a REGISTER rings', async () => {
    site.push.next({ kind: 'tokenDead', reason: 'Unregistered' });
    const disk = Promise.withResolvers<void>();
    site.pbx.ask = async () => {
      site.store = disk.promise;
      return { aorExists: true, contacts: [] };
    };
    await site.call();
    await site.tell(leg('device'));
    site.pbx.register('1001', contactUri({ port: 40002 }));
    await settle(3);
    expect(site.orders('giveUp')).toEqual([]);
    expect(site.orders('ring')).toMatchObject([{ legId: 'device', uri: contactUri({ port: 40002 }) }]);
    expect(site.written).toBe(0);
    disk.resolve();
    await settle(5);
    expect(site.record?.bindings[0]?.ending?.reason ?? site.record?.tombstones[0]?.reason).toBe('token-dead');
  });
});

describe('a call that waited while we were away', () => {
  it('is taken up: not pushed again, rung when its phone registers, told when it ends', async () => {
    await site.tell(leg('device', { takenUp: true }));
    expect(site.pushed).toEqual([]);
    site.pbx.register('1001', contactUri({ port: 40002 }));
    await settle(3);
    expect(site.orders('ring')).toMatchObject([{ legId: 'device', uri: contactUri({ port: 40002 }) }]);
    await site.tell({ type: 'legAnswered', pbx: 'office', legId: 'device' });
    expect([site.wakes.waiting, site.watched]).toEqual([0, [true, false]]);
  });

  it('has registered meanwhile: rung at once', async () => {
    site.pbx.register('1001', contactUri({ port: 40002 }), { told: false, grantedMs: HOUR });
    await site.tell(leg('device', { takenUp: true }));
    expect(site.orders('ring')).toMatchObject([{ legId: 'device' }]);
  });

  it('what was stored long before proves nothing', async () => {
    site.pbx.register('1001', contactUri({ port: 40002 }), { told: false, grantedMs: 30 * MINUTE });
    await site.tell(leg('device', { takenUp: true }));
    expect(site.orders('ring')).toEqual([]);
  });

  it('both legs of one device at once: one device, one word', async () => {
    await site.tell(leg('stored', { takenUp: true }), leg('device', { takenUp: true }));
    await site.tell(ended('stored', 127), ended('device', 127));
    expect([site.pushed, site.wakes.waiting]).toEqual([['cancel cancelled'], 0]);
  });

  it('ends while its record is still being read: told, nothing left', async () => {
    const read = Promise.withResolvers<void>();
    site.store = read.promise;
    await site.tell(leg('device', { takenUp: true }), ended('device', 127));
    read.resolve();
    await settle(3);
    expect([site.pushed, site.wakes.waiting]).toEqual([['cancel cancelled'], 0]);
  });

  it.each([
    ['the PBX shows the leg once more (Asterisk)', [leg('device', { takenUp: true })]],
    ['the PBX shows nothing that is known (FreeSWITCH)', []],
  ])('the link was away, the wake is ours: a REGISTER in the gap rings the phone; %s', async (_what, shown) => {
    await site.call();
    await site.tell(leg('device'));
    site.pbx.up = false;
    await site.clock.advance(2 * SECOND);
    site.pbx.register('1001', contactUri({ port: 40002 }), { grantedMs: HOUR });
    site.pbx.up = true;
    await site.tell({ type: 'linkUp', pbx: 'office' }, ...shown);
    await settle(3);
    expect(site.orders('ring')).toMatchObject([{ legId: 'device', uri: contactUri({ port: 40002 }) }]);
    const came = site.traces.find(AOR)[0]?.steps.find((s) => s.step === 'registered');
    expect(came, 'when it was is not known').toMatchObject({ undated: true });
  });

  it('the link was away and is back: a REGISTER that is seen has its date', async () => {
    await site.call();
    await site.tell(leg('device'), { type: 'linkDown', pbx: 'office', reason: 'connection lost' });
    await site.tell({ type: 'linkUp', pbx: 'office' });
    await site.clock.advance(2 * SECOND);
    site.pbx.register('1001', contactUri({ port: 40002 }), { grantedMs: HOUR });
    await settle(3);
    const came = site.traces.find(AOR)[0]?.steps.find((s) => s.step === 'registered');
    expect(came).toEqual({ ms: 2_000, step: 'registered', device: expect.any(String), proved: true });
  });

  it('the call ends before the PBX has said who registered while the link was away: nobody knows when that was', async () => {
    await site.call();
    await site.tell(leg('device'), { type: 'linkDown', pbx: 'office', reason: 'connection lost' });
    site.pbx.up = false;
    await site.clock.advance(2 * SECOND);
    site.pbx.register('1001', contactUri({ port: 40002 }), { grantedMs: HOUR });
    site.pbx.up = true;
    const asked = Promise.withResolvers<void>();
    const { ask } = site.pbx;
    site.pbx.ask = async (aor) => {
      await asked.promise;
      return ask.call(site.pbx, aor);
    };
    await site.tell({ type: 'linkUp', pbx: 'office' }, ended('wake', 16));
    asked.resolve();
    await settle(3);
    const steps = site.traces.find(AOR)[0]?.steps.map((s) => s.step);
    expect(steps).toContain('over');
    expect(steps).not.toContain('registeredLate');
  });

  it('ends while the link is away: its phone is not pushed again for a call that is over', async () => {
    const { other } = apnsPair();
    // Pushed once more after six seconds, as Android is.
    site.record = recordOf(bindingEndingIn(6 * DAY, MONDAY, { targets: other ? { other } : {} }));
    await site.call();
    site.pbx.up = false;
    await site.tell(leg('device'), { type: 'linkDown', pbx: 'office', reason: 'connection lost' });
    await site.clock.advance(8 * SECOND);
    expect(site.pushed).toEqual(['call']);
    site.pbx.up = true;
    await site.tell({ type: 'linkUp', pbx: 'office' }, ended('device', 16), ended('wake', 16));
    await site.clock.advance(8 * SECOND);
    expect(site.pushed).toEqual(['call', 'cancel gave-up']);
  });

  it('a binding that is gone: the leg ends', async () => {
    site.record = undefined;
    await site.tell(leg('device', { takenUp: true }));
    expect(site.orders('giveUp')).toEqual([{ order: 'giveUp', legId: 'device', cause: 20 }]);
  });

  it('a late leg of a call that is over is not taken up', async () => {
    await site.call();
    await site.tell(ended('wake', 127));
    await site.tell(leg('device'));
    expect(site.wakes.waiting).toBe(0);
  });
});

describe('who calls', () => {
  const caller = { name: 'Zoë "Z" Nováková', number: '+420123456789' };
  it.each([
    [undefined, undefined],
    [false, undefined],
    [true, caller],
  ])('with showCaller %s the push says %j', async (showCaller, expected) => {
    const site = await new WaitingSite('full', showCaller).start();
    await site.tell({ ...arrival, leg: { legId: 'wake', aor: AOR, linkedId: 'linked-1', caller } });
    expect(site.push.requests[0]).toMatchObject({ purpose: 'call' });
    expect((site.push.requests[0] as { caller?: unknown }).caller).toEqual(expected);
    expect(site.log.text()).not.toMatch(/Nováková|420123456789/);
    expect(JSON.stringify(site.traces)).not.toMatch(/Nováková|420123456789/);
    site.wakes.stop();
  });
});
