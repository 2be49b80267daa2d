/**
 * Phones with something wrong, lived through for days on a fake clock over the real records, reports and lifecycle: which cause is
 * named for each, that healthy phones and mere bad luck are named nothing, and that the user is asked once.
 */
import { describe, expect, it } from 'vitest';
import { type Aor, parseAor } from '../../plugin/core/aor.ts';
import type { AppKey, Binding, BindingId, Target } from '../../plugin/core/binding.ts';
import type { Effect } from '../../plugin/core/events.ts';
import { explainDevices, troubledIn } from '../../plugin/core/explain.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import type { Priority } from '../../plugin/core/signs.ts';
import { DAY, HOUR, type Instant, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import type { CallTrace } from '../../plugin/core/trace.ts';
import { TROUBLES, type TroubleCause } from '../../plugin/core/trouble.ts';
import { signOfCall } from '../../plugin/core/wake/sign.ts';
import type { CallStep } from '../../plugin/core/wake/steps.ts';
import type { PushRequest } from '../../plugin/ports/push-provider.ts';
import { Reports } from '../../plugin/runtime/bindings/app-reports.ts';
import { AskBudget } from '../../plugin/runtime/bindings/ask-budget.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import type { Intake } from '../../plugin/runtime/intake.ts';
import { tellingOfReport } from '../../plugin/runtime/webhooks/words.ts';
import { BINDING, contactUri, MONDAY, recordOf } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { intakeOver } from '../support/intake.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const AOR = parseAor('1001@example.com') as Aor;
/** How long the caller lets it ring. */
const RINGS_FOR = 25 * SECOND;

/** What the phone does when it is pushed for a call. Nothing, unless said. */
interface AtCall {
  /** Registers this long after the push. */
  readonly comesMs?: number;
  /** What the PBX saw of it, where it came in time. */
  readonly sign?: 'rang' | 'refused' | 'not-rung';
  /** Confirms the push this long after it. */
  readonly confirmsMs?: number;
  readonly priority?: Priority;
}

/** A phone, its PBX and its push service. */
class Home {
  readonly clock = new FakeClock(MONDAY);
  readonly effects: { at: Instant; effect: Effect; event: ReturnType<typeof tellingOfReport> }[] = [];
  /** How long it takes to register after a silent push; undefined: it does not. */
  answersRefreshMs: number | undefined;
  /** What the push service does with refreshes. */
  takesRefreshes = true;
  readonly #android: boolean;
  readonly #bindings: Bindings;
  readonly #reports: Reports;
  readonly #intake: Intake;
  #pushes = 0;

  constructor(o: { android?: boolean; policy?: Partial<Policy> } = {}) {
    this.#android = o.android ?? false;
    const policy = { ...DEFAULT_POLICY, ...o.policy };
    const log = new RecordedLog();
    let ids = 0;
    const newId = () => `${ids++}`.padStart(16, '0');
    this.#bindings = new Bindings({
      store: new MemoryStore(),
      clock: this.clock,
      log,
      policyFor: () => () => policy,
      onEffects: (_, record, effects) => {
        for (const effect of effects) {
          const event = effect.type === 'report' ? tellingOfReport(record, effect) : undefined;
          this.effects.push({ at: this.clock.now(), effect, event });
          void this.#carryOut(effect);
        }
      },
    });
    const over = intakeOver({ records: this.#bindings, clock: this.clock, log, newId });
    const remembered = (aor: Aor) => this.#bindings.remembered(aor);
    const read = (aor: Aor) => this.#bindings.read(aor);
    this.#reports = new Reports({ clock: this.clock, intake: over, read, remembered, newId });
    this.#intake = intakeOver({
      records: this.#bindings,
      clock: this.clock,
      log,
      newId,
      receiptOf: (...which) => this.#reports.receiptOf(...which),
    });
  }

  register(): Promise<void> {
    return this.registerWith(
      this.#android
        ? 'sip:1001@192.0.2.7:40001;transport=tls;pn-provider=fcm;pn-param=project;pn-prid=abc:def'
        : contactUri(),
    );
  }

  async registerWith(uri: string): Promise<void> {
    const at = this.clock.now();
    await this.#reports.registered(AOR, uri, at);
    await this.#bindings.apply(AOR, {
      type: 'ContactSeen',
      live: true,
      binds: true,
      at,
      newId: BINDING,
      contact: { pbx: 'office', uri, grantedMs: HOUR },
    });
  }

  /** The app uses the device API as well. */
  async reportsByHttp(): Promise<void> {
    await this.#reports.report(AOR, { installId: 'install-1' }, (await this.binding()).targets);
    await this.register();
  }

  async binding(): Promise<Binding> {
    const [binding] = (await this.#bindings.read(AOR))?.bindings ?? [];
    if (!binding) throw new Error('it is no longer bound');
    return binding;
  }

  /** Lets time pass; what is due is done each hour. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= HOUR) {
      await this.clock.advance(Math.min(left, HOUR));
      const dueAt = (await this.#bindings.read(AOR))?.dueAt;
      if (dueAt !== undefined && dueAt <= this.clock.now()) await this.#intake.fromAsked(AOR, [], 'held');
    }
  }

  async call(phone: AtCall = {}): Promise<void> {
    const { targets } = await this.binding();
    const target = targets.call as Target;
    const startedAt = this.clock.now();
    this.#pushed('call', target);
    if (phone.confirmsMs !== undefined) this.clock.after(phone.confirmsMs, () => void this.confirm(phone.priority));
    if (phone.comesMs !== undefined) this.clock.after(phone.comesMs, () => void this.register());
    await this.clock.advance(RINGS_FOR);
    const isInTime = phone.comesMs !== undefined && phone.comesMs < RINGS_FOR;
    const sign = isInTime ? (phone.sign ?? 'rang') : 'nothing';
    await this.#intake.fromWake(
      AOR,
      { bindingId: BINDING, target, sign, startedAt },
      isInTime ? phone.comesMs : undefined,
    );
    await this.clock.advance(MINUTE);
  }

  /** The app confirms the closing push of a call, which went to its other token. */
  async confirmsClosingPush(): Promise<void> {
    this.#pushed('cancel', (await this.binding()).targets.other as Target);
    await this.confirm();
  }

  async confirm(priority?: Priority): Promise<void> {
    const pushId = this.#lastId;
    const originalPriority = priority && 'high';
    await this.#reports.receipt(AOR, { installId: 'install-1' }, { pushId, priority, originalPriority });
  }

  get asked(): number {
    return this.effects.filter(({ effect }) => effect.type === 'sendNotice' && effect.which.notice === 'open').length;
  }

  #lastId = '';

  #pushed(purpose: PushRequest['purpose'], target: Target): void {
    this.#lastId = `${++this.#pushes}`.padStart(8, '0').padEnd(36, '0');
    this.#reports.pushed({ purpose, aor: AOR, pushId: this.#lastId, target } as unknown as PushRequest);
  }

  async #carryOut(effect: Effect): Promise<void> {
    if (effect.type === 'sendNotice') {
      await this.#intake.fromPushOutcome(
        AOR,
        { bindingId: effect.bindingId, target: effect.target, of: effect.which },
        { kind: 'accepted' },
      );
    }
    if (effect.type !== 'sendRefresh') return;
    const push = { bindingId: effect.bindingId, target: effect.target, of: 'refresh' } as const;
    if (!this.takesRefreshes) {
      return this.#intake.fromPushOutcome(AOR, push, { kind: 'retryLater', reason: 'no answer in time' });
    }
    if (this.answersRefreshMs !== undefined) this.clock.after(this.answersRefreshMs, () => void this.register());
  }
}

const RINGS: AtCall = { comesMs: 2 * SECOND };
const SILENT: AtCall = {};

interface World {
  readonly what: string;
  readonly home?: ConstructorParameters<typeof Home>[0];
  readonly lives: (h: Home) => Promise<void>;
  readonly is: TroubleCause | undefined;
}

/** The same call once a day, and what happens between. */
async function daily(h: Home, days: number, phone: AtCall, between?: () => Promise<void>): Promise<void> {
  for (let day = 0; day < days; day++) {
    await h.pass(DAY);
    await h.call(phone);
    await between?.();
  }
}

/** The user opens the app, looks at it for a while and puts it away. */
const opened = async (h: Home) => {
  await h.pass(2 * HOUR);
  await h.register();
  await h.pass(10 * MINUTE);
};

const CAUSES: readonly World[] = [
  {
    what: 'iOS keeps VoIP pushes back from an app that rang before; silent pushes still wake it',
    is: 'voip-withheld',
    lives: async (h) => {
      h.answersRefreshMs = 3 * SECOND;
      await daily(h, 3, RINGS);
      // Silent for six days, then asked to register, hour by hour.
      await h.pass(6 * DAY - HOUR);
      await h.call(SILENT);
      await h.pass(12 * HOUR);
      await daily(h, 2, SILENT);
    },
  },
  {
    what: 'an app that never learnt VoIP pushes; it confirms the closing pushes on its other token',
    is: 'voip-never',
    lives: async (h) => {
      await h.reportsByHttp();
      await daily(h, 3, SILENT, () => h.confirmsClosingPush());
    },
  },
  {
    what: 'an app that Google demoted: HIGH arrives as NORMAL',
    home: { android: true },
    is: 'demoted',
    lives: async (h) => {
      await h.reportsByHttp();
      await daily(h, 3, { comesMs: 9 * SECOND, confirmsMs: 8 * SECOND, priority: 'normal' });
    },
  },
  {
    what: 'an app that gets the pushes and is signed out of SIP',
    home: { android: true },
    is: 'received-only',
    lives: async (h) => {
      await h.reportsByHttp();
      await daily(h, 3, { confirmsMs: SECOND, priority: 'high' });
    },
  },
  {
    what: 'a force-stopped app, which its user opens now and then',
    home: { android: true },
    is: 'no-push-wakes',
    lives: async (h) => {
      for (let i = 0; i < 3; i++) {
        await opened(h);
        await h.call(SILENT);
        await h.pass(DAY);
      }
    },
  },
  {
    what: 'a phone whose app was removed, which the service does not know yet',
    home: { policy: { maxUnansweredWakes: 0 } },
    is: 'nothing-heard',
    lives: async (h) => {
      await daily(h, 1, RINGS);
      await daily(h, 4, SILENT);
    },
  },
  {
    what: 'an app with background refresh switched off: calls wake it, silent pushes do not',
    is: 'silent-unanswered',
    lives: async (h) => {
      for (let week = 0; week < 2; week++) {
        await h.pass(6 * DAY + 6 * HOUR);
        // Not right after a silent push, which would then pass for answered.
        await h.pass(30 * MINUTE);
        await h.call(RINGS);
      }
    },
  },
  {
    what: 'a phone in vendor battery saving: pushes take half a minute',
    home: { android: true },
    is: 'arrives-late',
    lives: async (h) => {
      await h.reportsByHttp();
      await daily(h, 3, { confirmsMs: 40 * SECOND, comesMs: 42 * SECOND, priority: 'high' });
    },
  },
  {
    what: 'a phone on a slow line that registers when the call is over',
    is: 'comes-late',
    lives: (h) => daily(h, 3, { comesMs: 40 * SECOND }),
  },
  {
    what: 'a phone behind a NAT that swallows the INVITE',
    is: 'not-rung',
    lives: (h) => daily(h, 3, { comesMs: 2 * SECOND, sign: 'not-rung' }),
  },
  {
    what: 'a phone that is set to do not disturb',
    is: 'refuses',
    lives: (h) => daily(h, 3, { comesMs: 2 * SECOND, sign: 'refused' }),
  },
  {
    what: 'a phone that comes for two calls in five',
    is: 'wakes-seldom',
    lives: async (h) => {
      for (const phone of [RINGS, SILENT, SILENT, RINGS, SILENT, SILENT, RINGS, SILENT, SILENT]) {
        await daily(h, 1, phone);
      }
    },
  },
];

/** Nothing is wrong, or nobody can know what. */
const CONTROLS: readonly World[] = [
  { what: 'a healthy phone that is called each day', is: undefined, lives: (h) => daily(h, 20, RINGS) },
  {
    what: 'a healthy phone that nobody calls: it answers its silent pushes',
    is: undefined,
    lives: async (h) => {
      h.answersRefreshMs = 3 * SECOND;
      await h.pass(30 * DAY);
    },
  },
  {
    what: 'a phone that is off for a weekend, with calls on both days',
    is: undefined,
    home: { policy: { maxUnansweredWakes: 0 } },
    lives: async (h) => {
      await daily(h, 5, RINGS);
      for (let i = 0; i < 4; i++) {
        await h.pass(5 * HOUR);
        await h.call(SILENT);
      }
    },
  },
  {
    what: 'a phone that is off each night, when somebody calls it',
    is: undefined,
    lives: async (h) => {
      for (let day = 0; day < 6; day++) {
        await h.pass(12 * HOUR);
        await h.call(RINGS);
        await h.pass(12 * HOUR);
        await h.call(SILENT);
      }
    },
  },
  {
    what: 'an outage of the push service while the phone is silent',
    is: undefined,
    lives: async (h) => {
      for (let week = 0; week < 3; week++) {
        h.takesRefreshes = false;
        await h.pass(6 * DAY + 8 * HOUR);
        h.takesRefreshes = true;
        await h.call(RINGS);
      }
    },
  },
  {
    what: 'one priority that was lowered in twenty',
    home: { android: true },
    is: undefined,
    lives: async (h) => {
      await h.reportsByHttp();
      for (let i = 0; i < 20; i++) {
        await daily(h, 1, { ...RINGS, confirmsMs: SECOND, priority: i % 10 === 4 ? 'normal' : 'high' });
      }
    },
  },
  {
    what: 'a person who declines calls by hand',
    is: undefined,
    lives: (h) => daily(h, 6, { comesMs: 2 * SECOND, sign: 'rang' }),
  },
  {
    what: 'three missed calls within an hour, and nothing else is known',
    is: undefined,
    home: { policy: { maxUnansweredWakes: 0 } },
    lives: async (h) => {
      for (let i = 0; i < 3; i++) {
        await h.pass(20 * MINUTE);
        await h.call(SILENT);
      }
    },
  },
];

async function live(world: World): Promise<Home> {
  const home = new Home(world.home);
  await home.register();
  await home.pass(3 * HOUR);
  await world.lives(home);
  return home;
}

describe('a phone with something wrong', () => {
  it.each(CAUSES)('$what: $is', async (world) => {
    const home = await live(world);
    const { trouble } = await home.binding();
    expect(trouble?.cause).toBe(world.is);
    const { cause, remedy, asksUser } = TROUBLES[world.is as TroubleCause];
    const record = recordOf(await home.binding());
    expect(explainDevices(record, home.clock.now()).join()).toContain(`${cause} Known for`);
    expect(troubledIn(AOR, record.bindings)).toEqual([expect.stringContaining(cause)]);
    const events = home.effects.flatMap(({ event }) => (event?.type === 'troubled' ? [event.data] : []));
    expect(events.at(-1)).toMatchObject({ bindingId: BINDING, reason: world.is, cause, remedy });
    expect(home.asked).toBe(asksUser ? 1 : 0);
  });

  it('has one cause of its own in the table for every one that can be named', () => {
    expect(CAUSES.map((world) => world.is).sort()).toEqual(Object.keys(TROUBLES).sort());
  });
});

describe('a phone with nothing wrong, or nobody can know what', () => {
  it.each(CONTROLS)('$what', async (world) => {
    const home = await live(world);
    expect((await home.binding()).trouble?.cause).toBe(world.is);
    expect(home.asked).toBe(0);
    expect(home.effects.filter(({ event }) => event?.type === 'troubled')).toEqual([]);
  });
});

describe('the notice', () => {
  const troubled = () => live(CAUSES[4] as World);
  const opens = (h: Home) =>
    h.effects.filter(({ effect }) => effect.type === 'sendNotice' && effect.which.notice === 'open');

  it('is sent once, also when the trouble goes and comes again within a month', async () => {
    const home = await troubled();
    expect(home.asked).toBe(1);
    await home.call(RINGS);
    expect((await home.binding()).trouble).toBeUndefined();
    expect(home.effects.some(({ event }) => event?.type === 'recovered')).toBe(true);
    for (let i = 0; i < 3; i++) {
      await opened(home);
      await home.call(SILENT);
      await home.pass(DAY);
    }
    expect((await home.binding()).trouble?.cause).toBe('no-push-wakes');
    expect(opens(home)).toHaveLength(1);
  });

  it('is not sent where the policy does not want it', async () => {
    const world = CAUSES[4] as World;
    const home = await live({ ...world, home: { android: true, policy: { askToOpen: false } } });
    expect((await home.binding()).trouble?.cause).toBe('no-push-wakes');
    expect(home.asked).toBe(0);
  });

  it('goes to few of an app within an hour: a fault of the PBX does not ask a whole site', () => {
    const clock = new FakeClock();
    const log = new RecordedLog();
    const app = 'apns TEAM123456.com.example.phone' as AppKey;
    const asks = (live: number) => {
      const budget = new AskBudget({ clock, log, liveOf: () => live });
      return Array.from({ length: 10_000 }, () => budget.mayAsk(app)).filter(Boolean).length;
    };
    expect([asks(0), asks(80), asks(10_000)]).toEqual([3, 3, 103]);
    expect(log.text().match(/many devices are troubled/g)).toHaveLength(3);
  });

  it('has its hour anew', async () => {
    const clock = new FakeClock();
    const budget = new AskBudget({ clock, log: new RecordedLog(), liveOf: () => 0 });
    const app = 'fcm 1' as AppKey;
    expect([1, 2, 3, 4].map(() => budget.mayAsk(app))).toEqual([true, true, true, false]);
    await clock.advance(HOUR);
    expect(budget.mayAsk(app)).toBe(true);
  });
});

describe('what is remembered of a device', () => {
  it('is nothing while all is well', async () => {
    const home = await live(CONTROLS[0] as World);
    expect(await home.binding()).not.toHaveProperty('signs');
  });

  it('does not grow, whatever comes', async () => {
    const home = new Home({ android: true, policy: { maxUnansweredWakes: 0 } });
    await home.register();
    await home.reportsByHttp();
    const phones: AtCall[] = [
      SILENT,
      { confirmsMs: SECOND, priority: 'normal' },
      { comesMs: 40 * SECOND },
      { comesMs: 2 * SECOND, sign: 'refused' },
    ];
    for (let i = 0; i < 60; i++) {
      await home.pass(30 * MINUTE);
      await home.call(phones[i % phones.length] as AtCall);
    }
    const { signs } = await home.binding();
    expect(signs?.calls.length).toBeLessThanOrEqual(6);
    expect(signs?.lowered.length).toBeLessThanOrEqual(5);
    expect(JSON.stringify(signs).length).toBeLessThan(600);
  });

  it('of a token goes with it', async () => {
    const home = await live(CAUSES[8] as World);
    expect((await home.binding()).signs?.calls).toHaveLength(3);
    await home.registerWith(contactUri({ voip: 'c'.repeat(64) }));
    expect((await home.binding()).signs).toBeUndefined();
    expect((await home.binding()).trouble).toBeUndefined();
  });
});

describe('what a call showed of a phone that came', () => {
  const device = BINDING as BindingId;
  type Step = CallStep['step'];
  const trace = (...steps: readonly (readonly [ms: number, step: Step])[]) =>
    ({ steps: steps.map(([ms, step]) => ({ ms, step, device }) as never) }) as Pick<CallTrace, 'steps'>;

  it.each([
    [
      'rang',
      [
        [0, 'dialled'],
        [100, 'ringing'],
        [20_000, 'over'],
      ],
    ],
    [
      'rang',
      [
        [0, 'dialled'],
        [100, 'ringing'],
        [3_000, 'declined'],
        [3_100, 'over'],
      ],
    ],
    [
      'refused',
      [
        [0, 'dialled'],
        [100, 'ringing'],
        [900, 'declined'],
        [1_000, 'over'],
      ],
    ],
    [
      'refused',
      [
        [0, 'dialled'],
        [200, 'declined'],
        [300, 'over'],
      ],
    ],
    [
      'not-rung',
      [
        [0, 'dialled'],
        [20_000, 'over'],
      ],
    ],
    [
      'rang',
      [
        [0, 'dialled'],
        [3_999, 'over'],
      ],
    ],
    [
      'rang',
      [
        [0, 'registered'],
        [20_000, 'over'],
      ],
    ],
    [
      'rang',
      [
        [0, 'dialled'],
        [10, 'orderFailed'],
        [20_000, 'over'],
      ],
    ],
  ] as const)('%s: %j', (sign, steps) => {
    expect(signOfCall(trace(...steps), device)).toBe(sign);
  });
});

describe('the moment after the call began that counts for it', () => {
  it('a REGISTER a minute after the ring time is the call’s; later it is not', async () => {
    const at = async (ms: number) => {
      const home = new Home();
      await home.register();
      await home.pass(3 * HOUR);
      const before = plus(home.clock.now(), 0);
      await home.call({ comesMs: ms });
      await home.pass(10 * MINUTE);
      const [mark] = (await home.binding()).signs?.calls ?? [];
      expect(mark?.at).toBe(before);
      return [mark?.sign, mark?.on];
    };
    expect(await at(105 * SECOND)).toEqual(['late', undefined]);
    expect(await at(106 * SECOND)).toEqual(['nothing', true]);
  });
});
