/** The ways a call can end, and what is said of each: carried out over an in-memory PBX (`endings.test.ts`) and on a real Asterisk. */
import type { Binding, EndReason } from '../../plugin/core/binding.ts';
import type { Mode, Policy } from '../../plugin/core/policy.ts';
import { DAY, HOUR, plus, SECOND } from '../../plugin/core/time.ts';
import type { PushOutcome } from '../../plugin/ports/push-provider.ts';
import { AOR, BINDING, bindingEndingIn, contactUri, MONDAY, recordOf } from '../support/builders.ts';
import { settle } from '../support/fake-clock.ts';
import { ended, leg, REFS, type WaitingSite } from '../support/waiting-site.ts';

export interface Ending {
  readonly what: string;
  readonly happens: (s: EndingScene) => Promise<void>;
  /** How it ended, as the head of `explain` says it. */
  readonly end: RegExp;
  readonly status: string;
  /** `why` of the event `missed`; absent: there is none. */
  readonly missed?: string;
  readonly cause?: RegExp;
  readonly remedy?: RegExp;
  readonly mode?: Mode;
  readonly policy?: Partial<Policy>;
}

const DEAD: PushOutcome = { kind: 'tokenDead', reason: 'Unregistered' };
const REFUSED: PushOutcome = { kind: 'misconfigured', reason: 'InvalidProviderToken', hint: 'x' };
const UNTRUSTED: PushOutcome = { kind: 'misconfigured', reason: 'certificate not trusted', hint: 'x' };
const AWAY: PushOutcome = { kind: 'retryLater', reason: 'cannot connect' };
const SLOW_DOWN: PushOutcome = { kind: 'retryLater', reason: 'TooManyRequests', scope: 'device', afterMs: 10 * SECOND };

export class EndingScene {
  readonly site: WaitingSite;

  constructor(site: WaitingSite) {
    this.site = site;
  }

  device(change: Partial<Binding>): void {
    this.site.record = recordOf(bindingEndingIn(6 * DAY, MONDAY, change));
  }

  gone(reason: EndReason): void {
    const tombstone = {
      id: BINDING,
      reason,
      endedAt: plus(MONDAY, -2 * HOUR),
      renewedAt: plus(MONDAY, -DAY),
      tokens: [],
    };
    this.site.record = { ...recordOf(), tombstones: [tombstone] };
  }

  /** The call comes and its device leg waits. */
  async calls(): Promise<void> {
    await this.site.call();
    await this.site.tell(leg('device'));
  }

  async after(seconds: number): Promise<void> {
    await this.site.clock.advance(seconds * SECOND);
  }

  async comes(uri = contactUri({ port: 40_002 })): Promise<void> {
    this.site.pbx.register('1001', uri);
    await settle(3);
  }

  /** The PBX refuses the phone's REGISTER. */
  async isRefused(status: number, uri = contactUri({ port: 40_002 })): Promise<void> {
    await this.site.tell({ type: 'registerRefused', pbx: 'office', aor: AOR, status, at: this.site.clock.now(), uri });
  }

  async rings(which: 'device' | 'stored' = 'device'): Promise<void> {
    await this.site.tell({ type: 'legRinging', pbx: 'office', ref: REFS[which] });
  }

  async answers(which: 'device' | 'stored' = 'device'): Promise<void> {
    await this.site.tell({ type: 'legAnswered', pbx: 'office', legId: which }, ended('wake', 26));
  }

  /** The phone itself says so, and the caller's leg ends with it. */
  async says(cause: number): Promise<void> {
    await this.site.tell(ended('device', cause, false), ended('wake', cause, false));
  }

  async deskAnswers(): Promise<void> {
    await this.site.tell(ended('device', 26), ended('wake', 26));
  }

  async callerHangsUp(): Promise<void> {
    await this.site.tell(ended('device', 127), ended('wake', 127));
  }

  async timeIsUp(): Promise<void> {
    await this.site.tell(ended('device', 16), ended('wake', 16));
  }
}

const woken = async (s: EndingScene) => {
  await s.calls();
  await s.after(1.8);
  await s.comes();
};
const rang = async (s: EndingScene) => {
  await woken(s);
  await s.rings();
};

export const ENDINGS: readonly Ending[] = [
  // It rang.
  {
    what: 'woken, rang, answered',
    happens: async (s) => {
      await rang(s);
      await s.after(4);
      await s.answers();
    },
    end: /: answered after 5\.8 s/,
    status: 'WOKEN',
  },
  {
    what: 'woken, rang, the ring time went by',
    happens: async (s) => {
      await rang(s);
      await s.after(18);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 19\.8 s/,
    status: 'WOKEN',
    missed: 'gave-up',
    cause: /^It rang and nobody answered/,
  },
  {
    what: 'woken, rang, the caller hung up',
    happens: async (s) => {
      await rang(s);
      await s.after(3);
      await s.callerHangsUp();
    },
    end: /the caller gave up after 4\.8 s/,
    status: 'WOKEN',
    missed: 'cancelled',
    cause: /^It rang, and the caller hung up/,
  },
  {
    what: 'woken, rang, a desk phone answered',
    happens: async (s) => {
      await rang(s);
      await s.after(1);
      await s.deskAnswers();
    },
    end: /answered elsewhere after 2\.8 s/,
    status: 'WOKEN',
    cause: /^It rang, and the call was answered at another phone/,
  },
  {
    what: 'woken, and the phone is busy (486)',
    happens: async (s) => {
      await s.calls();
      await s.after(0.8);
      await s.comes();
      await s.after(0.1);
      await s.says(17);
    },
    end: /the phone was busy after 0\.9 s/,
    status: 'WOKEN',
    missed: 'declined',
    cause: /^The phone was busy/,
  },
  {
    what: 'woken, rang, declined (603)',
    happens: async (s) => {
      await rang(s);
      await s.says(21);
    },
    end: /declined at the phone after 1\.8 s/,
    status: 'WOKEN',
    missed: 'declined',
    cause: /^The call was declined at the phone/,
  },
  {
    what: 'woken, rang, declined (603), and the policy says that holds for all devices',
    policy: { declineEverywhere: true },
    happens: async (s) => {
      await rang(s);
      await s.site.tell(ended('device', 21, false));
    },
    end: /declined after 1\.8 s/,
    status: 'WOKEN',
    missed: 'declined',
    cause: /^The call was declined at the phone/,
  },
  {
    what: 'woken, rang, dismissed (480)',
    happens: async (s) => {
      await rang(s);
      await s.says(19);
    },
    end: /declined at the phone/,
    status: 'WOKEN',
    missed: 'declined',
    cause: /answered that it does not take the call/,
  },
  {
    what: 'still registered: rang at its stored contact, answered',
    happens: async (s) => {
      s.site.pbx.restore([{ pbx: 'office', aor: AOR, uri: contactUri(), expiresAt: plus(MONDAY, HOUR) }]);
      await s.site.call();
      await s.site.tell(leg('stored'), leg('device'));
      await s.rings('stored');
      await s.after(3);
      await s.answers('stored');
    },
    end: /: answered after 3\.0 s/,
    status: 'WOKEN',
  },
  {
    what: 'came by a new contact that says nothing of its device, answered',
    happens: async (s) => {
      await s.calls();
      await s.after(2);
      await s.comes('sip:1001@192.0.2.8:41000;transport=tls');
      await s.rings();
      await s.answers();
    },
    end: /: answered after 2\.0 s/,
    status: 'WOKEN',
  },

  // It came too late, or not at all.
  {
    what: 'a desk phone answered after 0.6 s, the phone still slept',
    happens: async (s) => {
      await s.calls();
      await s.after(0.6);
      await s.deskAnswers();
    },
    end: /answered elsewhere after 0\.6 s/,
    status: 'ELSEWHERE',
    cause: /over after 0\.6 s \(answered elsewhere\), before this phone had come/,
  },
  {
    what: 'a desk phone answered after 0.6 s, the phone came after 2 s',
    happens: async (s) => {
      await s.calls();
      await s.after(0.6);
      await s.deskAnswers();
      await s.after(1.4);
      await s.comes();
    },
    end: /answered elsewhere after 0\.6 s/,
    status: 'ELSEWHERE',
    cause: /answered elsewhere after 0\.6 s; this phone came after 2\.0 s/,
  },
  {
    what: 'a desk phone answered after 12 s, the phone had not come',
    happens: async (s) => {
      await s.calls();
      await s.after(12);
      await s.deskAnswers();
    },
    end: /answered elsewhere after 12\.0 s/,
    status: 'ELSEWHERE',
    cause: /over after 12\.0 s \(answered elsewhere\)/,
  },
  {
    what: 'the caller hung up after 0.9 s',
    happens: async (s) => {
      await s.calls();
      await s.after(0.9);
      await s.callerHangsUp();
    },
    end: /the caller gave up after 0\.9 s/,
    status: 'NOBODY',
    missed: 'cancelled',
    cause: /over after 0\.9 s \(the caller hung up\)/,
  },
  {
    what: 'the caller hung up after 8 s, the phone came after 9 s',
    happens: async (s) => {
      await s.calls();
      await s.after(8);
      await s.callerHangsUp();
      await s.after(1);
      await s.comes();
    },
    end: /the caller gave up after 8\.0 s/,
    status: 'NOBODY',
    missed: 'cancelled',
    cause: /hung up after 8\.0 s; this phone came after 9\.0 s/,
  },
  {
    what: 'the ring time of 20 s was over, the phone came after 22 s',
    happens: async (s) => {
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
      await s.after(2);
      await s.comes();
    },
    end: /nobody answered in time after 20\.0 s/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /woke, but after the call was over \(20\.0 s\); it came after 22\.0 s/,
    remedy: /^Ring longer/,
  },
  {
    what: 'the dialplan ended the call after 0.9 s',
    happens: async (s) => {
      await s.calls();
      await s.after(0.9);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 0\.9 s/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /too short for a phone to wake/,
    remedy: /let it ring for 20 s/,
  },
  ...(
    [
      [
        'a phone that usually comes did not',
        [1_700, 1_800, null, 1_900],
        /off or without a network/,
        /when it is online/,
      ],
      ['a phone of which nothing is known did not come', [], /off or without a network/, /when it is online/],
      ['a phone that never came for a push did not', [null, null, null], /never come for one/, /app-payloads/],
      ['a phone that comes seldom did not', [null, null, 1_000, null, null], /comes seldom/, /battery saving/],
    ] as const
  ).map(
    ([what, wakes, cause, remedy]): Ending => ({
      what: `the push was taken, the ring time went by: ${what}`,
      happens: async (s) => {
        s.device(wakes.length > 0 ? { wakes } : {});
        await s.calls();
        await s.after(20);
        await s.timeIsUp();
      },
      end: /nobody answered in time after 20\.0 s/,
      status: 'NOBODY',
      missed: 'gave-up',
      cause,
      remedy,
    }),
  ),

  // The push service.
  {
    what: 'the service says that the token is dead',
    happens: async (s) => {
      s.site.push.next(DEAD);
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
    },
    end: /nobody answered in time/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /this app is gone \(Unregistered\)/,
    remedy: /opens the app/,
  },
  {
    what: 'the token is dead, and the phone comes after the end',
    happens: async (s) => {
      s.site.push.next(DEAD);
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
      await s.after(2);
      await s.comes();
    },
    end: /nobody answered in time/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /this app is gone/,
    remedy: /opens the app/,
  },
  {
    what: 'the token is dead, the app is opened by hand while the call waits',
    happens: async (s) => {
      s.site.push.next(DEAD);
      await s.calls();
      await s.after(2);
      await s.comes();
      await s.rings();
      await s.answers();
    },
    end: /: answered after 2\.0 s/,
    status: 'WOKEN',
  },
  {
    what: 'the service refuses our key (403)',
    happens: async (s) => {
      s.site.push.next(REFUSED);
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
    },
    end: /nobody answered in time/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /refuses our pushes \(InvalidProviderToken\)/,
    remedy: /`hint`/,
  },
  {
    what: 'the service refuses our key, and the phone comes after the end',
    happens: async (s) => {
      s.site.push.next(REFUSED);
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
      await s.after(2);
      await s.comes();
    },
    end: /nobody answered in time/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /refuses our pushes/,
    remedy: /`hint`/,
  },
  {
    what: 'the service refuses our key, a desk phone answers',
    happens: async (s) => {
      s.site.push.next(REFUSED);
      await s.calls();
      await s.after(3);
      await s.deskAnswers();
    },
    end: /answered elsewhere after 3\.0 s/,
    status: 'ELSEWHERE',
    cause: /refuses our pushes/,
    remedy: /`hint`/,
  },
  {
    what: 'the certificate of the service is not trusted',
    happens: async (s) => {
      s.site.push.next(UNTRUSTED);
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
    },
    end: /nobody answered in time/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /certificate not trusted/,
    remedy: /`hint`/,
  },
  {
    what: 'the service cannot be reached for the whole call',
    happens: async (s) => {
      s.site.push.answersAll = AWAY;
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
    },
    end: /nobody answered in time/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /did not take the push in time \(cannot connect\)/,
    remedy: /port 443/,
  },
  {
    what: 'the service takes the connection and never answers',
    happens: async (s) => {
      s.site.push.answersAll = 'hang';
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
    },
    end: /nobody answered in time/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /did not take the push in time \(no answer/,
    remedy: /firewall that drops idle connections/,
  },
  {
    what: 'the service hangs, and the caller hangs up after 4 s',
    happens: async (s) => {
      s.site.push.answersAll = 'hang';
      await s.calls();
      await s.after(4);
      await s.callerHangsUp();
    },
    end: /the caller gave up after 4\.0 s/,
    status: 'NOBODY',
    missed: 'cancelled',
    cause: /had not taken the push when the call was over/,
    remedy: /firewall that drops idle connections/,
  },
  {
    what: 'the service wants fewer pushes (429), twice in a call of 6 s',
    happens: async (s) => {
      s.site.push.answersAll = SLOW_DOWN;
      await s.calls();
      await s.after(6);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 6\.0 s/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /did not take the push in time \(TooManyRequests\)/,
    remedy: /wants fewer pushes/,
  },
  {
    what: 'the service is out at the first try (503) and takes the second: answered',
    happens: async (s) => {
      s.site.push.next({ kind: 'retryLater', reason: 'ServiceUnavailable' });
      await rang(s);
      await s.answers();
    },
    end: /: answered after 1\.8 s/,
    status: 'WOKEN',
  },
  {
    what: 'the service cannot do with this push (400)',
    happens: async (s) => {
      s.site.push.next({ kind: 'failed', reason: 'BadPriority' });
      await s.calls();
      await s.after(20);
      await s.timeIsUp();
    },
    end: /nobody answered in time/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /This push was lost \(BadPriority\)/,
    remedy: /push given up/,
  },
  {
    what: 'the caller hung up before the service had answered',
    happens: async (s) => {
      s.site.push.next('hang');
      await s.calls();
      await s.after(0.3);
      await s.callerHangsUp();
    },
    end: /the caller gave up after 0\.3 s/,
    status: 'NOBODY',
    missed: 'cancelled',
    cause: /over after 0\.3 s, before the push service had answered/,
  },

  // SIP.
  ...(
    [
      ['403', 403, undefined, /^The phone woke, and the PBX refused its REGISTER \(403\)/, /max_contacts/],
      [
        '403, without a word of its device',
        403,
        'sip:1001@192.0.2.8:41000;transport=tls',
        /^A phone of this account woke, and the PBX refused its REGISTER \(403\)/,
        /max_contacts/,
      ],
      [
        '401, wrong password',
        401,
        undefined,
        /^The phone woke, .* \(401\): user name or password/,
        /^Compare user name/,
      ],
      [
        '401, without a word of its device',
        401,
        'sip:1001@192.0.2.8:41000;transport=tls',
        /^A REGISTER of this account came with a wrong user name or password \(401\)/,
        /^Compare user name/,
      ],
      ['404', 404, undefined, /refused its REGISTER \(404\)/, /knows no such account/],
      ['503', 503, undefined, /refused its REGISTER \(503\)/, /overloaded/],
    ] as const
  ).map(
    ([what, status, uri, cause, remedy]): Ending => ({
      what: `woken, and the PBX refuses its REGISTER (${what})`,
      happens: async (s) => {
        await s.calls();
        await s.after(2);
        await s.isRefused(status, uri);
        await s.after(18);
        await s.timeIsUp();
      },
      end: /nobody answered in time after 20\.0 s/,
      status: 'NOBODY',
      missed: 'gave-up',
      cause,
      remedy,
    }),
  ),
  {
    what: 'the PBX refuses the first REGISTER and takes the second: answered',
    happens: async (s) => {
      await s.calls();
      await s.after(1);
      await s.isRefused(503);
      await s.after(1);
      await s.comes();
      await s.rings();
      await s.answers();
    },
    end: /: answered after 2\.0 s/,
    status: 'WOKEN',
  },
  {
    what: 'woken and dialled, and no 180 came back',
    happens: async (s) => {
      await woken(s);
      await s.after(18);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 19\.8 s/,
    status: 'WOKEN',
    missed: 'gave-up',
    cause: /its INVITE was not answered with 180/,
    remedy: /NAT, firewall/,
  },
  {
    what: 'woken, with a Contact that could add a leg to the dial string',
    happens: async (s) => {
      await s.calls();
      await s.after(2);
      await s.comes(contactUri({ port: 40_002 }).replace('1001@', '1001,x@'));
      await s.after(18);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 20\.0 s/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /cannot be dialled safely: it holds the character ,/,
    remedy: /publisher must mend the Contact/,
  },
  {
    what: 'woken just when the ring time was over',
    happens: async (s) => {
      await s.calls();
      await s.after(19.8);
      await s.comes();
      await s.after(0.2);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 20\.0 s/,
    status: 'WOKEN',
    missed: 'gave-up',
    cause: /registered just when the call ended \(its ring time was over\)/,
  },
  {
    what: 'woken, and the link to the PBX was away',
    happens: async (s) => {
      await s.calls();
      s.site.pbx.ring = async () => {
        throw new Error('the link is down');
      };
      await s.after(2);
      await s.comes();
      await s.after(18);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 20\.0 s/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /the order to ring it did not reach the PBX/,
    remedy: /pbx link down/,
  },
  {
    what: 'the link to the PBX goes away while the call waits, and the phone comes meanwhile',
    happens: async (s) => {
      await s.calls();
      await s.after(2);
      await s.site.tell({ type: 'linkDown', pbx: 'office', reason: 'connection lost' });
      await s.after(18);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 20\.0 s/,
    status: 'NOBODY',
    missed: 'gave-up',
    cause: /The link to the PBX was away while the call waited: whether the phone came meanwhile is not known/,
    remedy: /pbx link down/,
  },
  {
    what: 'the phone comes while the link is away, and the link comes back just when the call ends',
    happens: async (s) => {
      await s.calls();
      await s.after(2);
      await s.site.tell({ type: 'linkDown', pbx: 'office', reason: 'connection lost' });
      s.site.pbx.up = false;
      await s.comes();
      await s.after(18);
      s.site.pbx.up = true;
      await s.site.tell({ type: 'linkUp', pbx: 'office' });
      await settle(3);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 20\.0 s/,
    status: 'WOKEN',
    missed: 'gave-up',
    cause: /The link to the PBX was away while the call waited: whether the phone came meanwhile is not known/,
    remedy: /pbx link down/,
  },
  {
    what: 'the PBX does not say what it holds',
    happens: async (s) => {
      s.site.pbx.up = false;
      await s.site.call();
    },
    end: /rung as without pushwake, because the PBX did not say/,
    status: 'UNAVAILABLE',
    cause: /whether it rang is not known here/,
    remedy: /overloaded/,
  },

  // Nothing to wake.
  {
    what: 'no REGISTER with push parameters was ever seen',
    happens: async (s) => {
      s.site.record = undefined;
      await s.site.call();
    },
    end: /rung as without pushwake/,
    status: 'NOBINDING',
    cause: /no REGISTER of this account with push parameters/,
    remedy: /pn-provider, pn-param and pn-prid/,
  },
  ...(
    [
      ['silent for its whole lifetime', 'age', /silent for its whole lifetime/, /opens the app once/],
      [
        'push was switched off in the app, or it logged out',
        'unregistered',
        /logged out, or asked for no pushes/,
        /switched on in the app/,
      ],
      ['the service had called the token dead', 'token-dead', /said that the app is gone/, /opens the app once/],
      ['dropped by hand', 'dropped', /dropped, by hand/, /opens the app once/],
    ] as const
  ).map(
    ([what, reason, cause, remedy]): Ending => ({
      what: `the last binding had ended: ${what}`,
      happens: async (s) => {
        s.gone(reason);
        await s.site.call();
      },
      end: /rung as without pushwake/,
      status: 'NOBINDING',
      cause,
      remedy,
    }),
  ),
  {
    what: 'the only binding is ending',
    happens: async (s) => {
      s.device({ ending: { reason: 'age', since: plus(MONDAY, -HOUR), notice: 'done', contact: 'due' } });
      await s.site.call();
    },
    end: /rung as without pushwake/,
    status: 'NOBINDING',
    cause: /devices of this account are ending: silent/,
    remedy: /opens the app once/,
  },
  {
    what: 'the push service of the device is not configured',
    happens: async (s) => {
      const target = { ...s.site.push.target('t'), provider: 'another' };
      s.device({ targets: { call: target, other: target } });
      await s.site.call();
    },
    end: /rung as without pushwake/,
    status: 'NOBINDING',
    cause: /their push service is not configured/,
    remedy: /Compare the services/,
  },
  {
    what: 'pushwake only observes',
    mode: 'observe',
    happens: async (s) => s.site.call(),
    end: /rung as without pushwake/,
    status: 'NOBINDING',
    cause: /only observes/,
  },

  // We were away.
  {
    what: 'pushwake was started anew while the call waited: answered after 5.4 s of the call',
    happens: async (s) => {
      await s.after(5.2);
      await s.site.tell(leg('device', { takenUp: true }));
      await s.comes();
      await s.rings();
      await s.after(0.2);
      await s.answers();
    },
    end: /: answered after 5\.4 s/,
    status: 'WOKEN',
  },
  {
    what: 'pushwake was started anew while the call waited, and nobody came',
    happens: async (s) => {
      await s.after(5);
      await s.site.tell(leg('device', { takenUp: true }));
      await s.after(15);
      await s.timeIsUp();
    },
    end: /nobody answered in time after 20\.0 s/,
    status: '–',
    missed: 'gave-up',
    cause: /what became of its push is not known/,
  },
];
