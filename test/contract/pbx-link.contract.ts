/**
 * What every PBX link promises, whatever it speaks. Called with a harness over a real PBX or over a stand-in that speaks from
 * recordings; each test uses an account of its own.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Aor, parseAor } from '../../plugin/core/aor.ts';
import type { DeviceLeg, HeldContact, LinkError, PbxEvent, PbxLink } from '../../plugin/ports/pbx-link.ts';
import type { RecordedLog } from '../support/recorded-log.ts';

/** A call as the phone sees it. */
export interface RungCall {
  /** Value of X-Push-ID. */
  readonly pushId: string | undefined;
  /** The INVITE as it came. */
  readonly text: string;
  answer(): Promise<void>;
  /** 486. */
  decline(): void;
  /** Resolves when the caller's side has ended it before the answer. */
  cancelled(): Promise<void>;
}

export interface HarnessPhone {
  /** Registers with these Contact URI parameters, an hour long. */
  register(params: string): Promise<void>;
  unregister(): Promise<void>;
  /** The n-th call that comes, counted from 1. */
  call(nth?: number): Promise<RungCall>;
  readonly calls: number;
}

export interface HarnessCall {
  /** Status of the final answer. */
  readonly status: Promise<number>;
  cancel(): void;
  hangup(): Promise<void>;
}

export interface PbxHarness {
  readonly link: PbxLink;
  readonly log: RecordedLog;
  /** Everything the link told, oldest first. */
  readonly events: readonly PbxEvent[];
  /** The first event that fits, from now on or told already. */
  told<T extends PbxEvent['type']>(
    type: T,
    fits?: (event: Extract<PbxEvent, { type: T }>) => boolean,
  ): Promise<Extract<PbxEvent, { type: T }>>;
  phone(user: string): Promise<HarnessPhone>;
  /** Somebody calls this user through the shipped dialplan. */
  call(user: string): Promise<HarnessCall>;
  /** The network between link and PBX. */
  cut(): void;
  mend(): void;
  /** Ends everything; the link may already be stopped. */
  stop(): Promise<void>;
}

export interface PbxContract {
  /** `realm` of every account: example.com. Users 1001 … 1020 exist, 1020 without any registration. */
  start(): Promise<PbxHarness>;
}

const PUSH = ';pn-provider=fcm;pn-param=project;pn-prid=';
const TOLD_WITHIN_MS = 60_000;
const aorOf = (user: string) => parseAor(`${user}@example.com`) as Aor;

export function pbxLinkContract(name: string, contract: PbxContract): void {
  describe(`${name} keeps the contract of a PBX link`, () => {
    let pbx: PbxHarness;
    beforeAll(async () => {
      pbx = await contract.start();
      expect(pbx.link.up).toBe(true);
    });
    afterAll(async () => pbx?.stop());

    const held = async (user: string) => (await pbx.link.ask(aorOf(user))).contacts;
    const heldOne = async (user: string): Promise<HeldContact> => {
      const [contact] = await held(user);
      if (!contact) throw new Error(`nothing is held for ${user}`);
      return contact;
    };
    /** Calls come one after another, so the last wake leg of the account is this call's. */
    const wakeLeg = (user: string) => pbx.told('wakeLegArrived', (e) => e.leg.aor === aorOf(user));
    const ref = (stem: string, kind: 'd' | 's') => `w${stem.padStart(8, '0')}${kind}00112233445566ff`;
    const deviceLeg = async (wanted: string): Promise<DeviceLeg> =>
      (await pbx.told('deviceLegArrived', (e) => e.leg.ref === wanted)).leg;

    it('a REGISTER is told with the whole Contact URI, its instant and how long it holds', async () => {
      const phone = await pbx.phone('1001');
      await phone.register(`${PUSH}tok-1001`);
      const { contact, how, at, grantedMs } = await pbx.told('contactSeen', (e) => e.contact.aor === aorOf('1001'));
      expect(contact.uri).toMatch(/^sip:1001@.*;pn-provider=fcm;pn-param=project;pn-prid=tok-1001/);
      expect([contact.pbx, how]).toEqual([pbx.link.name, 'event']);
      expect(Math.abs(at - Date.now())).toBeLessThan(TOLD_WITHIN_MS);
      expect(grantedMs).toBeGreaterThan(3_590_000);
      expect(grantedMs).toBeLessThanOrEqual(3_601_000);
    });

    it('what is held is what was told, one account at a time and all together; nobody has nothing', async () => {
      const phone = await pbx.phone('1002');
      await phone.register(`${PUSH}tok-1002`);
      const { contact } = await pbx.told('contactSeen', (e) => e.contact.aor === aorOf('1002'));
      const one = await heldOne('1002');
      expect(one.uri).toBe(contact.uri);
      // What its end proves is never later than the REGISTER.
      expect((one.expiresAt ?? 0) - 3_600_000).toBeLessThanOrEqual(Date.now());
      expect((one.expiresAt ?? 0) - 3_600_000).toBeGreaterThan(Date.now() - TOLD_WITHIN_MS);
      const all: HeldContact[] = [];
      for await (const c of pbx.link.list()) all.push(c);
      expect(all.map((c) => c.uri)).toContain(contact.uri);
      expect(await held('1020')).toEqual([]);
    });

    it('a log-out is told, as what the PBX can tell', async () => {
      const phone = await pbx.phone('1003');
      await phone.register(`${PUSH}tok-1003`);
      const { uri } = await heldOne('1003');
      await phone.unregister();
      await Promise.any([
        pbx.told('unregistered', (e) => e.uri === uri),
        pbx.told('contactRemoved', (e) => e.uri === uri),
      ]);
      expect(await held('1003')).toEqual([]);
    });

    it('removes one contact; one that is not there any more is success', async () => {
      const [phone, other] = [await pbx.phone('1004'), await pbx.phone('1004')];
      await phone.register(`${PUSH}tok-1004`);
      await other.register(`${PUSH}other-1004`);
      const contact = (await held('1004')).find((c) => c.uri.includes('tok-1004'));
      if (!contact) throw new Error('not held');
      expect(await pbx.link.removeContact(contact)).toBe('gone');
      expect((await held('1004')).map((c) => c.uri.includes('other-1004'))).toEqual([true]);
      expect(await pbx.link.removeContact(contact)).toBe('gone');
    });

    it('nothing to compose: the PBX rings what it has', async () => {
      await pbx.link.setReachable(aorOf('1005'), true);
      const phone = await pbx.phone('1005');
      await phone.register('');
      const call = await pbx.call('1005');
      const { leg } = await wakeLeg('1005');
      expect(leg.linkedId).not.toBe('');
      expect(await pbx.link.compose(leg.legId, 'call-1005', [])).toBe('done');
      await (await phone.call()).answer();
      expect(await call.status).toBe(200);
      await call.hangup();
    });

    it('a leg waits for its phone; its INVITE names the push and no token; who answers has the call', async () => {
      await pbx.link.setReachable(aorOf('1006'), true);
      const phone = await pbx.phone('1006');
      await phone.register(`${PUSH}tok-1006`);
      const call = await pbx.call('1006');
      const wake = (await wakeLeg('1006')).leg;
      const device = ref('6', 'd');
      expect(await pbx.link.compose(wake.legId, 'call-1006', [{ kind: 'device', ref: device }])).toBe('done');
      const leg = await deviceLeg(device);
      expect([leg.kind, leg.aor, leg.callId]).toEqual(['device', aorOf('1006'), 'call-1006']);
      expect(phone.calls).toBe(0);
      expect(await pbx.link.ring(leg, await heldOne('1006'))).toBe('done');
      const rung = await phone.call();
      await pbx.told('legRinging', (e) => e.ref === device);
      expect(rung.pushId).toBe('call-1006');
      expect(rung.text).not.toContain('pn-');
      expect(rung.text).not.toContain('tok-1006');
      await rung.answer();
      expect(await call.status).toBe(200);
      await pbx.told('legAnswered', (e) => e.legId === leg.legId);
      await call.hangup();
    });

    it('a contact rings at once; it answers: the leg that still waits ends with 26, from outside', async () => {
      await pbx.link.setReachable(aorOf('1007'), true);
      const phone = await pbx.phone('1007');
      await phone.register('');
      const call = await pbx.call('1007');
      const wake = (await wakeLeg('1007')).leg;
      const device = ref('7', 'd');
      const ring = [
        { kind: 'contact', contact: await heldOne('1007') },
        { kind: 'device', ref: device },
      ] as const;
      expect(await pbx.link.compose(wake.legId, 'call-1007', ring)).toBe('done');
      const leg = await deviceLeg(device);
      const rung = await phone.call();
      // It is no device that was pushed: a link may leave its INVITE as a plain dial would make it.
      expect([undefined, 'call-1007']).toContain(rung.pushId);
      await rung.answer();
      expect(await call.status).toBe(200);
      expect(await pbx.told('legEnded', (e) => e.legId === leg.legId)).toMatchObject({ cause: 26, hungUp: true });
      await call.hangup();
    });

    it('a stored leg rings the contact it was composed with', async () => {
      await pbx.link.setReachable(aorOf('1008'), true);
      const phone = await pbx.phone('1008');
      await phone.register(`${PUSH}tok-1008`);
      const call = await pbx.call('1008');
      const wake = (await wakeLeg('1008')).leg;
      const stored = ref('8', 's');
      const ring = [
        { kind: 'stored', ref: stored, contact: await heldOne('1008') },
        { kind: 'device', ref: ref('8', 'd') },
      ] as const;
      await pbx.link.compose(wake.legId, 'call-1008', ring);
      const leg = await deviceLeg(stored);
      expect(leg.kind).toBe('stored');
      expect(await pbx.link.ring(leg)).toBe('done');
      const rung = await phone.call();
      await pbx.told('legDials', (e) => e.legId === leg.legId);
      await rung.answer();
      expect(await call.status).toBe(200);
      await pbx.told('legAnswered', (e) => e.legId === leg.legId);
      expect(phone.calls).toBe(1);
      await call.hangup();
    });

    it('the caller gives up: every leg ends with 127, from outside, and the phone stops ringing', async () => {
      await pbx.link.setReachable(aorOf('1009'), true);
      const phone = await pbx.phone('1009');
      await phone.register(`${PUSH}tok-1009`);
      const call = await pbx.call('1009');
      const wake = (await wakeLeg('1009')).leg;
      const device = ref('9', 'd');
      await pbx.link.compose(wake.legId, 'call-1009', [{ kind: 'device', ref: device }]);
      const leg = await deviceLeg(device);
      await pbx.link.ring(leg, await heldOne('1009'));
      const rung = await phone.call();
      await pbx.told('legRinging', (e) => e.ref === device);
      call.cancel();
      expect(await call.status).toBe(487);
      await rung.cancelled();
      for (const legId of [leg.legId, wake.legId]) {
        expect(await pbx.told('legEnded', (e) => e.legId === legId)).toMatchObject({ cause: 127, hungUp: true });
      }
    });

    it('a phone declines: its leg ended by itself, with 17, and the caller hears busy', async () => {
      await pbx.link.setReachable(aorOf('1010'), true);
      const phone = await pbx.phone('1010');
      await phone.register(`${PUSH}tok-1010`);
      const call = await pbx.call('1010');
      const wake = (await wakeLeg('1010')).leg;
      const device = ref('10', 'd');
      await pbx.link.compose(wake.legId, 'call-1010', [{ kind: 'device', ref: device }]);
      const leg = await deviceLeg(device);
      await pbx.link.ring(leg, await heldOne('1010'));
      (await phone.call()).decline();
      expect(await pbx.told('legEnded', (e) => e.legId === leg.legId)).toMatchObject({ cause: 17, hungUp: false });
      expect(await call.status).toBe(486);
    });

    it('a phone that comes too late is shown the call that is over: INVITE with the id of the push, then the CANCEL', async () => {
      const phone = await pbx.phone('1015');
      await phone.register(`${PUSH}tok-1015`);
      await pbx.link.showEnded?.(await heldOne('1015'), 'call-1015', 'elsewhere');
      const rung = await phone.call();
      expect(rung.pushId).toBe('call-1015');
      expect(rung.text).not.toContain('tok-1015');
      await rung.cancelled();
    });

    it('a leg given up: the caller hears why, the others ring on', async () => {
      await pbx.link.setReachable(aorOf('1011'), true);
      const call = await pbx.call('1011');
      const wake = (await wakeLeg('1011')).leg;
      const [first, second] = [ref('11', 'd'), ref('12', 'd')];
      const ring = [
        { kind: 'device', ref: first },
        { kind: 'device', ref: second },
      ] as const;
      await pbx.link.compose(wake.legId, 'call-1011', ring);
      const legs = [await deviceLeg(first), await deviceLeg(second)] as const;
      expect(await pbx.link.giveUp(legs[0].legId, 20)).toBe('done');
      await pbx.told('legEnded', (e) => e.legId === legs[0].legId);
      expect(pbx.events.some((e) => e.type === 'legEnded' && e.legId === wake.legId)).toBe(false);
      expect(await pbx.link.giveUp(legs[1].legId, 17)).toBe('done');
      expect(await call.status).toBe(486);
      expect(await pbx.link.giveUp(legs[1].legId, 17)).toBe('gone');
    });

    it('a contact that could change the dial string is not dialled, and the log says so without its text', async () => {
      await pbx.link.setReachable(aorOf('1012'), true);
      const phone = await pbx.phone('1012');
      await phone.register(`;x=a&b${PUSH}tok-1012`);
      const contact = await heldOne('1012');
      const call = await pbx.call('1012');
      const wake = (await wakeLeg('1012')).leg;
      const device = ref('13', 'd');
      await pbx.link.compose(wake.legId, 'call-1012', [{ kind: 'device', ref: device }]);
      await pbx.link.ring(await deviceLeg(device), contact);
      expect(await call.status).not.toBe(200);
      expect(phone.calls).toBe(0);
      expect(pbx.log.at('warn').map((l) => l.message)).toContain(
        'a contact is not dialled: it could change the dial string',
      );
      expect(pbx.log.text()).not.toContain('tok-1012');
    });

    it('orders for a leg that is not there change nothing', async () => {
      const leg: DeviceLeg = { legId: 'x-1', kind: 'device', ref: ref('99', 'd'), aor: aorOf('1001'), callId: 'c' };
      expect(await pbx.link.compose('x-1', 'c', [{ kind: 'device', ref: leg.ref }])).toBe('gone');
      expect(await pbx.link.ring(leg, await heldOne('1001'))).toBe('gone');
      expect(await pbx.link.giveUp('x-1', 20)).toBe('gone');
    });

    it('the line is cut: down, and unknown is not absent; mended: up by itself, and it hears again', async () => {
      pbx.cut();
      await pbx.told('linkDown');
      expect(pbx.link.up).toBe(false);
      await expect(pbx.link.ask(aorOf('1001'))).rejects.toMatchObject({
        name: 'LinkError',
      } satisfies Partial<LinkError>);
      const ups = pbx.events.filter((e) => e.type === 'linkUp').length;
      pbx.mend();
      await pbx.told('linkUp', () => pbx.events.filter((e) => e.type === 'linkUp').length > ups);
      const phone = await pbx.phone('1013');
      await phone.register(`${PUSH}tok-1013`);
      await pbx.told('contactSeen', (e) => e.contact.aor === aorOf('1013'));
    });

    it('after stop nothing is told any more', async () => {
      await pbx.link.stop();
      const before = pbx.events.length;
      const phone = await pbx.phone('1014');
      await phone.register(`${PUSH}tok-1014`);
      await expect(pbx.link.ask(aorOf('1014'))).rejects.toMatchObject({ name: 'LinkError' });
      expect(pbx.events.length).toBe(before);
      expect(pbx.link.up).toBe(false);
    });
  });
}
