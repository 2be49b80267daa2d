/** The link in bad company: what a PBX may say, or not say, without costing the process anything but a moment. */
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/pbx/freeswitch/index.ts';
import { LEASE_SECONDS } from '../../adapters/pbx/freeswitch/lease.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { PbxLink } from '../../plugin/ports/pbx-link.ts';
import { FreeswitchStandIn, recording } from '../support/freeswitch-stand-in/index.ts';
import { ToldEvents } from '../support/pbx-harness.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const PASSWORD = 'stand-in-secret';
const AOR = '1001@example.com' as Aor;
const CONTACT = '"" <sip:1001@127.0.0.9:5060;pn-provider=fcm;pn-param=p;pn-prid=tok>';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

interface World {
  readonly pbx: FreeswitchStandIn;
  readonly link: PbxLink;
  readonly log: RecordedLog;
  readonly told: ToldEvents;
}

async function world(
  o: {
    node?: string;
    password?: string;
    pbx?: FreeswitchStandIn;
    port?: number;
    realm?: string | string[];
    profiles?: string[];
    observing?: boolean;
  } = {},
): Promise<World> {
  const pbx = o.pbx ?? (await FreeswitchStandIn.start(PASSWORD));
  if (!o.pbx) open.push(pbx);
  const log = new RecordedLog();
  const told = new ToldEvents();
  const options = optionsSchema.parse({
    port: o.port ?? pbx.port,
    password: o.password ?? PASSWORD,
    realm: o.realm ?? 'example.com',
    expiresLateMargin: 5,
    ...(o.node ? { node: o.node } : {}),
    ...(o.profiles ? { profiles: o.profiles } : {}),
  });
  const observing = o.observing ?? false;
  const link = create(options, { clock: systemClock(), log, name: o.node ?? 'office', observing });
  await link.start(told.add);
  open.push(link);
  return { pbx, link, log, told };
}

/** Resolves when `look` is true; looked at after every command the stand-in takes, and at last after ten seconds. */
async function until(what: string, look: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!look()) {
    if (performance.now() > deadline) throw new Error(`${what}: not so within 10 s`);
    await new Promise((next) => setImmediate(next));
  }
}

describe('registrations', () => {
  it('are told with what FreeSWITCH appended behind NAT as a route, and dialled by it', async () => {
    const { pbx, told } = await world();
    pbx.register(AOR, '"" <sip:1001@10.0.0.1;pn-prid=t;fs_nat=yes;fs_path=sip%3A1001%40192.0.2.1%3A4444>', 'c1');
    const { contact } = await told.told('contactSeen');
    expect(contact).toMatchObject({ uri: 'sip:1001@10.0.0.1;pn-prid=t', path: 'sip:1001@192.0.2.1:4444' });
  });

  it('of a phone that was woken by a call come after that call, whatever FreeSWITCH’s slow clock says', async () => {
    const { pbx, link, told } = await world();
    await link.setReachable(AOR, true);
    pbx.call(AOR);
    await told.told('wakeLegArrived');
    const callSeenAt = Date.now();
    pbx.register(AOR, CONTACT, 'c1', 3_600, 25);
    const { at } = await told.told('contactSeen');
    expect(at).toBeGreaterThanOrEqual(callSeenAt);
    // One that was held up for long is believed.
    pbx.register(AOR, CONTACT.replace('tok', 'other'), 'c2', 3_600, 10_000);
    const late = await told.told('contactSeen', (e) => e.contact.uri.includes('other'));
    expect(late.at).toBeLessThan(callSeenAt);
  });

  it('of other domains and by people without a password are none of ours', async () => {
    const { pbx, told } = await world({ realm: ['example.com', 'example.org'] });
    pbx.say(recording('register-evil-bytes-json.esl'), 'sofia::register');
    pbx.register('1001@elsewhere.net', CONTACT, 'c0');
    pbx.register('1001@example.org', CONTACT, 'c1');
    const { contact } = await told.told('contactSeen');
    expect(contact.aor).toBe('1001@example.org');
    expect(told.events.filter((e) => e.type === 'contactSeen')).toHaveLength(1);
  });

  it('that FreeSWITCH refuses are told while a call of the account waits, by the domain of its To or by ours', async () => {
    const { pbx, link, told } = await world();
    const refusals = () => told.events.filter((e) => e.type === 'registerRefused');
    await link.setReachable(AOR, true);
    pbx.refuse('1001', 'example.com');
    pbx.call(AOR);
    await told.told('wakeLegArrived');
    pbx.refuse('1002', 'example.com');
    pbx.refuse('1001', 'example.com', 'INVITE');
    pbx.refuse('1001', 'example.com');
    pbx.refuse('1001', '192.0.2.1');
    await until('two refusals', () => refusals().length > 1);
    const { at: _at, ...first } = refusals()[0] as Extract<ReturnType<typeof refusals>[number], { at: unknown }>;
    expect(first).toEqual({ type: 'registerRefused', pbx: 'office', aor: AOR, status: 403, uri: '' });
    expect(refusals()).toHaveLength(2);
  });

  it.each([
    ['of another domain', {}, '1001@192.0.2.1', CONTACT, /domain 192\.0\.2\.1, which `realm` does not name/],
    [
      'on a profile that is not named',
      { profiles: ['external'] },
      AOR,
      CONTACT,
      /SIP profile internal, which `profiles`/,
    ],
    ['of an account whose name cannot be read', {}, '10!01@example.com', CONTACT, /its account has a character/],
    ['with a Contact that is no SIP URI', {}, AOR, CONTACT.replace('sip:', 'tel:'), /its Contact is no SIP URI/],
  ] as const)('that ask for push and are not bound have a reason: %s', async (_what, o, user, contact, reason) => {
    const { pbx, told } = await world({ ...o, profiles: [...('profiles' in o ? o.profiles : ['internal'])] });
    pbx.register(user, '"" <sip:1001@127.0.0.9:5060>', 'c0');
    pbx.register(user, contact, 'c1');
    const why = await told.told('notBound');
    expect(why).toMatchObject({ account: user, reason: expect.stringMatching(reason) });
    expect(JSON.stringify(why)).not.toContain('tok');
    // The phone that asks for nothing is no news, and nothing of the other is bound.
    const ofPush = told.events.filter((e) => e.type === 'notBound' || JSON.stringify(e).includes('tok'));
    expect(ofPush).toEqual([why]);
  });

  it('on a profile that the configuration names by its alias are ours', async () => {
    const { pbx, told } = await world({ profiles: ['office'] });
    pbx.register(AOR, CONTACT, 'c1');
    await told.told('contactSeen');
    expect(told.events.filter((e) => e.type === 'notBound')).toEqual([]);
  });

  it('on such a profile before FreeSWITCH has said whose alias it is: ours as well, and nothing is said against it', async () => {
    const pbx = await FreeswitchStandIn.start(PASSWORD);
    open.push(pbx);
    let isFirst = true;
    pbx.beforeAnswer = (command) => {
      if (!isFirst || command !== 'api version') return;
      isFirst = false;
      pbx.register(AOR, CONTACT, 'c1');
    };
    const { told } = await world({ pbx, profiles: ['office'] });
    await told.told('contactSeen');
    expect(told.events.filter((e) => e.type === 'notBound')).toEqual([]);
  });

  it('tell what the directory says of the account, also that it says nothing any more', async () => {
    const { pbx, told } = await world();
    pbx.register(AOR, CONTACT, 'c1', 3_600, 0, { pushwake_policy: ' sales ', pushwake_app: 'project' });
    expect((await told.told('contactSeen')).choice).toEqual({ policy: 'sales', app: 'project' });
    pbx.register(AOR, CONTACT.replace('tok', 'other'), 'c1', 3_600, 0, { pushwake_policy: '' });
    const later = await told.told('contactSeen', (e) => e.contact.uri.includes('other'));
    expect(later.choice).toEqual({});
  });

  it('a connection the system closed logs nobody out; a log-out does', async () => {
    const { pbx, told } = await world();
    pbx.register(AOR, CONTACT, 'c1');
    pbx.unregister(AOR, undefined, 'c1', 'socket-disconnection');
    pbx.unregister(AOR, CONTACT, 'c1');
    expect(await told.told('unregistered')).toMatchObject({ aor: AOR, uri: expect.stringContaining('pn-prid=tok') });
    expect(told.events.filter((e) => e.type === 'unregistered' || e.type === 'contactRemoved')).toHaveLength(1);
  });

  it('a log-out right after its REGISTER is the later of the two, whatever FreeSWITCH’s slow clock says', async () => {
    const { pbx, told } = await world();
    pbx.register(AOR, CONTACT, 'c1');
    const { at } = await told.told('contactSeen');
    pbx.unregister(AOR, CONTACT, 'c1', undefined, 50);
    expect((await told.told('unregistered')).at).toBeGreaterThanOrEqual(at);
  });

  it('`Contact: *` logs out what has its Call-ID, also when FreeSWITCH has dropped it already', async () => {
    const { pbx, told } = await world();
    pbx.register(AOR, CONTACT, 'c1');
    pbx.register(AOR, CONTACT.replace('tok', 'other'), 'c2');
    pbx.rows = [];
    pbx.unregister(AOR, '"" <sip:(null)@(null)>', 'c1');
    await told.told('unregistered');
    expect(told.events.flatMap((e) => (e.type === 'unregistered' ? [e.uri] : []))).toEqual([
      'sip:1001@127.0.0.9:5060;pn-provider=fcm;pn-param=p;pn-prid=tok',
    ]);
  });

  it('an expiry proves no more than its own time: told late, it counts from when it was', async () => {
    const { pbx, link, told } = await world();
    pbx.register(AOR, CONTACT, 'c1', -100);
    const row = pbx.rows[0];
    if (!row) throw new Error('no row');
    await link.removeContact({ aor: AOR, uri: 'sip:1001@127.0.0.9:5060;pn-provider=fcm;pn-param=p;pn-prid=tok' });
    const { at } = await told.told('contactRemoved');
    expect(at).toBe((row.dropsEpochSeconds - 5) * 1_000);
  });
});

describe('removal', () => {
  const URI = 'sip:1001@127.0.0.9:5060;pn-provider=fcm;pn-param=p;pn-prid=tok';
  const flushes = (pbx: FreeswitchStandIn) => pbx.commands.filter((c) => c.includes('flush'));

  it('goes by the Call-ID of this very contact', async () => {
    const { pbx, link } = await world();
    pbx.register(AOR, CONTACT, 'c1');
    pbx.register('1002@example.com', CONTACT.replaceAll('1001', '1002'), 'c2');
    await link.removeContact({ aor: AOR, uri: URI });
    expect(flushes(pbx)).toEqual(['api sofia profile internal flush_inbound_reg c1']);
    expect(pbx.rows.map((r) => r.user)).toEqual(['1002@example.com']);
  });

  it.each([
    ['is empty', ''],
    ['holds a blank', 'c1 1002@example.com'],
    ['names another account', '1002@example.com'],
    ['names the domain', 'example.com'],
    ['holds a quote', "c'1"],
  ])('flushes nobody when the Call-ID %s', async (_, callId) => {
    const { pbx, link } = await world();
    pbx.register(AOR, CONTACT, callId);
    pbx.register('1002@example.com', '"" <sip:1002@127.0.0.8:5060>', 'c2');
    await expect(link.removeContact({ aor: AOR, uri: URI })).rejects.toMatchObject({ name: 'LinkError' });
    expect(flushes(pbx)).toEqual([]);
    expect(pbx.rows).toHaveLength(2);
  });

  it('flushes nobody when another account of the same phone has the Call-ID', async () => {
    const { pbx, link } = await world();
    pbx.register(AOR, CONTACT, 'c1');
    pbx.register('1002@example.com', '"" <sip:1002@127.0.0.9:5060>', 'c1');
    await expect(link.removeContact({ aor: AOR, uri: URI })).rejects.toThrow('another account');
    expect(flushes(pbx)).toEqual([]);
  });

  it('of what is not there sends nothing', async () => {
    const { pbx, link } = await world();
    expect(await link.removeContact({ aor: AOR, uri: URI })).toBe('gone');
    expect(flushes(pbx)).toEqual([]);
  });
});

describe('lease and marks', () => {
  it('a call of an account that is not marked is none of ours', async () => {
    const { pbx, told } = await world();
    pbx.phone('127.0.0.9:5060', (invite) => invite.answer());
    pbx.register(AOR, CONTACT, 'c1');
    expect(await pbx.call(AOR).status).toBe(200);
    expect(told.events.some((e) => e.type === 'wakeLegArrived')).toBe(false);
  });

  it('an orderly stop takes the lease back: the next call does not wait', async () => {
    const { pbx, link } = await world();
    expect(pbx.hash.get('pushwake/node')).toBe('pushwake');
    await link.setReachable(AOR, true);
    expect(pbx.hash.get(`pushwake_aor/${AOR}`)).toBe('1');
    await link.stop();
    expect(pbx.hash.has('pushwake/until')).toBe(false);
  });

  it('of two nodes one works and one stands by, which takes over when the first has gone', async () => {
    const first = await world({ node: 'a' });
    const second = await world({ node: 'b', pbx: first.pbx });
    expect([first.link.duty, second.link.duty]).toEqual(['works', 'spare']);
    await first.link.setReachable(AOR, true);
    const call = first.pbx.call(AOR);
    const { leg } = await first.told.told('wakeLegArrived');
    await first.link.compose(leg.legId, 'c', []);
    await call.status;
    expect(second.told.events.some((e) => e.type === 'wakeLegArrived')).toBe(false);
    await first.link.stop();
    // Its name stands there before its lease does: a call in between takes the plain path.
    await until('the second node takes over', () => first.pbx.leaseHolder === 'b');
    await until('it says so', () => second.link.duty === 'works');
    first.pbx.call(AOR);
    await second.told.told('wakeLegArrived');
  });

  it('a node that is drained hands its calls over, those that wait included', async () => {
    const first = await world({ node: 'a' });
    const second = await world({ node: 'b', pbx: first.pbx });
    await first.link.setReachable(AOR, true);
    const call = first.pbx.call(AOR);
    await first.told.told('wakeLegArrived');
    const waits = 'w00000001d0011223344556677';
    await first.link.compose(call.uuid, 'c', [{ kind: 'device', ref: waits }]);
    await first.told.told('deviceLegArrived');
    await until('the second one stands by', () => first.pbx.hash.get('pushwake/spare') === 'b');
    await first.link.drain?.();
    expect(first.pbx.leaseHolder).toBe('b');
    await second.told.told('wakeLegArrived', (e) => e.leg.legId === call.uuid);
    await first.told.told('legTakenOver', (e) => e.legId === waits);
    expect([first.link.duty, second.link.duty]).toEqual(['spare', 'works']);
    expect(first.told.events.some((e) => e.type === 'legEnded')).toBe(false);
    call.cancel();
  });

  it('a node that was asked and does not answer loses the call to the other, and finds that out before it acts', async () => {
    const first = await world({ node: 'a' });
    const second = await world({ node: 'b', pbx: first.pbx });
    await first.link.setReachable(AOR, true);
    const call = first.pbx.call(AOR);
    await first.told.told('wakeLegArrived');
    await second.told.told('wakeLegArrived', (e) => e.leg.legId === call.uuid);
    expect(second.log.at('info').map((l) => l.message)).toContain(
      'call taken over: the node that was asked did not answer',
    );
    const ring = [{ kind: 'device', ref: 'w00000001d0011223344556677' }] as const;
    expect(await first.link.compose(call.uuid, 'c', ring)).toBe('gone');
    expect(await first.told.told('legTakenOver', (e) => e.legId === call.uuid)).toMatchObject({ pbx: 'a' });
    expect(first.pbx.channels.dialled).toEqual([]);
    expect(await second.link.compose(call.uuid, 'c', ring)).toBe('done');
    await until('what the second one says is dialled', () => first.pbx.channels.dialled.length === 1);
    call.cancel();
    expect(await second.told.told('legEnded', (e) => e.legId === call.uuid)).toMatchObject({ cause: 127 });
    expect(first.told.events.some((e) => e.type === 'legEnded')).toBe(false);
  });

  it('a call that waits on a node which is cut off is taken over with the lease; that node ends nothing of it', async () => {
    const pbx = await FreeswitchStandIn.start(PASSWORD);
    open.push(pbx);
    const door = await TcpProxy.start(pbx.port);
    open.push({ stop: () => door.close() });
    const first = await world({ node: 'a', pbx, port: door.port });
    const second = await world({ node: 'b', pbx });
    await first.link.setReachable(AOR, true);
    const call = pbx.call(AOR);
    await first.told.told('wakeLegArrived');
    const waits = 'w00000001d0011223344556677';
    await first.link.compose(call.uuid, 'c', [{ kind: 'device', ref: waits }]);
    await first.told.told('deviceLegArrived');

    door.cut();
    pbx.aheadSeconds += LEASE_SECONDS;
    await second.told.told('wakeLegArrived', (e) => e.leg.legId === call.uuid);
    expect(second.link.duty).toBe('works');
    await second.link.compose(call.uuid, 'c', [{ kind: 'device', ref: 'w00000002d0011223344556677' }]);

    door.mend();
    await first.told.told('legTakenOver', (e) => e.legId === call.uuid);
    await first.told.told('legTakenOver', (e) => e.legId === waits);
    pbx.phone('127.0.0.9:5060', (invite) => invite.answer());
    pbx.register(AOR, CONTACT, 'c1');
    const { leg } = await second.told.told('deviceLegArrived');
    const { contact } = await second.told.told('contactSeen');
    const late = { legId: waits, ref: waits, kind: 'device', aor: AOR, callId: 'c' } as const;
    expect(await first.link.ring(late, contact)).toBe('gone');
    expect(await second.link.ring(leg, contact)).toBe('done');
    expect(await call.status).toBe(200);
    expect(pbx.channels.dialled.filter((d) => d.includes('intercept'))).toHaveLength(1);
    expect(first.told.events.some((e) => e.type === 'legEnded')).toBe(false);
  });

  it('mod_hash was reloaded: everything is told again', async () => {
    const { pbx, told } = await world();
    pbx.hash.clear();
    await told.told('linkDown');
    await until('the link is up again', () => told.events.filter((e) => e.type === 'linkUp').length === 2);
    expect(pbx.hash.get('pushwake/node')).toBe('pushwake');
  });
});

describe('mode: observe', () => {
  /** Whatever might touch a channel, a registration, or what the dialplan decides by. */
  const touching = (pbx: FreeswitchStandIn) =>
    pbx.commands.filter((c) => /uuid_|bgapi|flush|insert\/(?!pushwake\/observe\/)/.test(c));

  it('a call is told and goes on as if nobody were there, whatever is ordered', async () => {
    const { pbx, link, told } = await world({ observing: true });
    pbx.phone('127.0.0.9:5060', (invite) => invite.answer());
    pbx.register(AOR, CONTACT, 'c1');
    const call = pbx.call(AOR);
    expect(await call.status).toBe(200);
    const { leg } = await told.told('wakeLegArrived');
    expect(leg).toMatchObject({ aor: AOR, legId: call.uuid });
    expect(await link.compose(leg.legId, 'c', [])).toBe('gone');
    await link.tellStatus?.(leg.legId, 'NOBODY');
    expect(pbx.channels.variable(call.uuid, 'pushwake_status')).toBe('NOBINDING');
    await link.stop();
    expect(touching(pbx)).toEqual([]);
    expect([...pbx.hash.keys()]).toEqual([]);
  });

  it('with the lease and the marks of an earlier life in force: its calls are left alone', async () => {
    const pbx = await FreeswitchStandIn.start(PASSWORD);
    open.push(pbx);
    pbx.hash.set('pushwake/node', 'pushwake').set('pushwake/until', String(Date.now())).set(`pushwake_aor/${AOR}`, '1');
    const { told } = await world({ observing: true, pbx });
    expect(await pbx.call(AOR).status).toBe(480);
    expect(told.events.filter((e) => e.type === 'wakeLegArrived')).toHaveLength(1);
    expect(touching(pbx)).toEqual([]);
  });

  it('comes and goes while it runs: the lease follows, and survives a lost connection', async () => {
    const pbx = await FreeswitchStandIn.start(PASSWORD);
    open.push(pbx);
    let observing = true;
    const options = optionsSchema.parse({ port: pbx.port, password: PASSWORD, realm: 'example.com' });
    const deps = { clock: systemClock(), log: new RecordedLog(), name: 'office' };
    const link = create(options, {
      ...deps,
      get observing() {
        return observing;
      },
    });
    const told = new ToldEvents();
    await link.start(told.add);
    open.push(link);
    expect([pbx.leaseHolder, pbx.hash.has('pushwake/observe')]).toEqual([undefined, true]);
    observing = false;
    link.modeChanged?.();
    await until('it works', () => pbx.leaseHolder === 'pushwake' && !pbx.hash.has('pushwake/observe'));
    pbx.dropClients();
    await told.told('linkDown');
    await until('the link is up again', () => told.events.filter((e) => e.type === 'linkUp').length === 2);
    await until('it still works', () => !pbx.hash.has('pushwake/observe'));
    expect(pbx.leaseHolder).toBe('pushwake');
    observing = true;
    link.modeChanged?.();
    await until('it observes', () => pbx.hash.has('pushwake/observe') && pbx.leaseHolder === undefined);
  });

  it('beside a node that works: that one has the call, this one only sees it', async () => {
    const works = await world({ node: 'a' });
    const sees = await world({ node: 'b', pbx: works.pbx, observing: true });
    await works.link.setReachable(AOR, true);
    const call = works.pbx.call(AOR);
    const { leg } = await works.told.told('wakeLegArrived');
    await sees.told.told('wakeLegArrived');
    await works.link.compose(leg.legId, 'c', []);
    await call.status;
    // One without a mark is seen by the one that sees, and by nobody else.
    const other = works.pbx.call('1002@example.com');
    await other.status;
    await sees.told.told('wakeLegArrived', (e) => e.leg.legId === other.uuid);
    // Told after it, to both.
    works.pbx.register(AOR, CONTACT, 'c1');
    await works.told.told('contactSeen');
    expect(works.told.events.filter((e) => e.type === 'wakeLegArrived')).toHaveLength(1);
  });
});

describe('trouble', () => {
  it('bytes that make the library throw cost one connection, not the process', async () => {
    const { pbx, told } = await world();
    // As if we had subscribed in the plain format: one REGISTER with a stray % in its User-Agent.
    pbx.say(recording('register-evil-bytes-plain.esl'), 'sofia::register');
    await told.told('linkDown');
    await until('the link is up again', () => told.events.filter((e) => e.type === 'linkUp').length === 2);
    pbx.register(AOR, CONTACT, 'c1');
    await told.told('contactSeen');
  });

  it('an event that is no json is left out, the next one is heard', async () => {
    const { pbx, told } = await world();
    pbx.say(Buffer.from('Content-Length: 9\nContent-Type: text/event-json\n\n{"Event-N'), 'sofia::register');
    pbx.register(AOR, CONTACT, 'c1');
    await told.told('contactSeen');
    expect(told.events.filter((e) => e.type === 'linkDown')).toEqual([]);
  });

  it('a wrong password is said once, with what to compare, and without the password', async () => {
    const { log, link } = await world({ password: 'not-the-one' });
    expect(link.up).toBe(false);
    await until('it says so', () => log.at('warn').length > 0);
    expect(log.at('warn').map((l) => l.fields.reason)).toEqual(['FreeSWITCH refuses the login']);
    expect(log.text()).not.toContain('not-the-one');
  });

  it('a PBX that takes commands and answers nothing is given up, and found again', async () => {
    const { pbx, link, told } = await world();
    pbx.hangs = true;
    await expect(link.ask(AOR)).rejects.toMatchObject({ name: 'LinkError' });
    await told.told('linkDown');
    pbx.hangs = false;
    await until('the link is up again', () => told.events.filter((e) => e.type === 'linkUp').length === 2);
  });

  it('a call that waits while the line is down is found again; one that ended meanwhile has ended', async () => {
    const { pbx, link, told } = await world();
    await link.setReachable(AOR, true);
    const stays = pbx.call(AOR);
    const goes = pbx.call(AOR);
    await until('both were told', () => told.events.filter((e) => e.type === 'wakeLegArrived').length === 2);
    for (const [i, uuid] of [stays.uuid, goes.uuid].entries()) {
      await link.compose(uuid, `c${i}`, [{ kind: 'device', ref: `w0000000${i}d0011223344556677` }]);
    }
    pbx.dropClients();
    await told.told('linkDown');
    goes.cancel();
    await told.told('legEnded', (e) => e.legId === goes.uuid);
    expect(told.events.some((e) => e.type === 'legEnded' && e.legId === stays.uuid)).toBe(false);
    stays.cancel();
    expect(await told.told('legEnded', (e) => e.legId === stays.uuid)).toMatchObject({ cause: 127 });
  });

  it('events are fetched more often while a call waits, and no longer', async () => {
    const { pbx, link, told } = await world();
    await link.setReachable(AOR, true);
    const before = pbx.emptyLines;
    const call = pbx.call(AOR);
    await told.told('wakeLegArrived');
    await link.compose(call.uuid, 'c', [{ kind: 'device', ref: 'w00000001d0011223344556677' }]);
    await expect.poll(() => pbx.emptyLines).toBeGreaterThan(before + 3);
    call.cancel();
    await told.told('legEnded', (e) => e.legId === call.uuid);
    // What is ordered of the link is done in its order.
    await link.ask(AOR);
    const after = pbx.emptyLines;
    await new Promise((passed) => setTimeout(passed, 50));
    expect(pbx.emptyLines - after).toBeLessThanOrEqual(1);
  });

  it('started anew while a call waits: the call is taken up, and what rings already is not rung again', async () => {
    const { pbx, link, told } = await world();
    let rings = 0;
    let answer: () => void = () => undefined;
    pbx.phone('127.0.0.9:5060', (invite) => {
      rings++;
      answer = () => invite.answer();
      invite.ring();
    });
    pbx.register(AOR, CONTACT, 'c1');
    await link.setReachable(AOR, true);
    const call = pbx.call(AOR);
    await told.told('wakeLegArrived');
    const old = { legId: 'w00000001d0011223344556677', kind: 'device', aor: AOR, callId: 'c' } as const;
    await link.compose(call.uuid, 'c', [{ kind: 'device', ref: old.legId }]);
    const [contact] = (await link.ask(AOR)).contacts;
    await link.ring({ ...old, ref: old.legId }, contact);
    await told.told('legRinging');
    await link.stop();

    const anew = await world({ pbx });
    const { leg } = await anew.told.told('wakeLegArrived');
    expect(leg).toMatchObject({ legId: call.uuid, aor: AOR });
    await anew.link.compose(call.uuid, 'c', [
      { kind: 'stored', ref: 'w00000002s0011223344556677', contact: (await anew.link.ask(AOR)).contacts[0] as never },
      { kind: 'device', ref: 'w00000002d0011223344556677' },
    ]);
    await anew.told.told('legRinging', (e) => e.ref === 'w00000002d0011223344556677');
    expect(rings).toBe(1);
    answer();
    await anew.told.told('legAnswered', (e) => e.legId === 'w00000002d0011223344556677');
    expect(await call.status).toBe(200);
    expect(pbx.commands.filter((c) => c.includes('uuid_kill'))).toEqual([]);
  });
});

it('places a test call as one originate, with a caller in it, and stays up', async () => {
  const { pbx, link } = await world();
  await until('up', () => link.up);
  const uuid = await link.placeCall?.({
    id: '0123456789abcdef',
    aor: AOR,
    caller: { name: 'pushwake test 1', number: 'test1' },
    ringMs: 60_000,
  });
  const placed = pbx.commands.filter((command) => command.includes('originate '));
  expect(placed).toHaveLength(1);
  expect(placed[0]).toContain(`origination_uuid=${uuid}`);
  expect(placed[0]).toContain("origination_callee_id_name='pushwake test 1'");
  expect(link.up).toBe(true);
});
