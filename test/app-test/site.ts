/** A site of the simulated world with one app that is measured, by the real runtime on a clock that runs as fast as it can. */
import type { Aor } from '../../plugin/core/aor.ts';
import { parseAor } from '../../plugin/core/aor.ts';
import type { AppReport, StepName } from '../../plugin/core/app-test/index.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, MINUTE, SECOND } from '../../plugin/core/time.ts';
import type { AppTestShown, AppTestStart } from '../../plugin/runtime/app-test/app-tests.ts';
import { Chance } from '../world/chance.ts';
import { DevicesApi } from '../world/devices-api.ts';
import { Node } from '../world/node.ts';
import { Pbx, type PbxKind } from '../world/pbx.ts';
import { PushService, type TokenTruth } from '../world/push-service.ts';
import { WorldStore } from '../world/store.ts';
import { WorldTime } from '../world/time.ts';
import { AppPhone } from './app-phone.ts';
import type { Misbehaviour } from './misbehaviours.ts';

export const AOR = parseAor('4915550123@example.com') as Aor;
export const VERSION = '0.0.0-test';
const POLL_EVERY = 2_000;
const LASTS_AT_MOST = 40 * MINUTE;

export interface SiteOptions {
  readonly seed: number;
  readonly platform: 'ios' | 'android';
  readonly kind: PbxKind;
  readonly misbehaviour?: Misbehaviour;
  /** Whether somebody is at the phone. Default true. */
  readonly person?: boolean;
  /** After so many questions nobody is there any more. */
  readonly leavesAfter?: number;
  readonly steps?: readonly StepName[];
  /** What happens to the site while the test runs, and after how many ms. */
  readonly after?: readonly [ms: number, what: (site: AppSite) => void];
  /** The command polls for this long only, in ms. */
  readonly pollsFor?: number;
}

export class AppSite {
  readonly time = new WorldTime();
  readonly tokens = new Map<string, TokenTruth>();
  readonly pbx: Pbx;
  readonly phone: AppPhone;
  readonly node: Node;
  readonly store: WorldStore;
  readonly logged: string[] = [];
  readonly #o: SiteOptions;
  id = '';

  constructor(options: SiteOptions) {
    this.#o = options;
    const { seed, platform, kind } = options;
    const chance = new Chance(seed, 'app test');
    const tell = () => undefined;
    const { time, tokens } = this;
    this.store = new WorldStore('sqlite', time, chance.fork('store'));
    const services = (['apns', 'fcm'] as const).map((n) => new PushService(n, time, tokens, chance.fork(n), seed));
    this.pbx = new Pbx({
      name: 'office',
      kind,
      realm: 'example.com',
      hep: kind === 'asterisk',
      rewrites: true,
      time,
      chance: chance.fork('pbx'),
      tell,
      lockedOut: () => undefined,
      registered: () => undefined,
    });
    this.phone = new AppPhone(
      {
        name: 'phone',
        platform,
        voipOnly: false,
        habit: 'never',
        transport: 'tls',
        accounts: [AOR],
        pbx: this.pbx,
        reports: false,
        service: services[platform === 'ios' ? 0 : 1] as PushService,
        api: new DevicesApi(
          time,
          chance.fork('devices api'),
          () => [],
          () => undefined,
        ),
        tokens,
        time,
        chance: chance.fork('phone'),
        tell,
      },
      options.misbehaviour,
    );
    this.pbx.phones.set(AOR, [this.phone]);
    this.node = new Node({
      index: 0,
      time,
      chance: chance.fork('node'),
      store: this.store,
      pbxs: [this.pbx],
      services,
      policy: () => DEFAULT_POLICY,
      settings: () => ({
        mode: 'full',
        showCaller: false,
        messages: { wake: false, showText: false },
        forgetAfterMs: DAY,
      }),
      counts: false,
      onLog: ({ message, fields }) => void this.logged.push(`${message} ${JSON.stringify(fields)}`),
      onEvent: () => undefined,
      onLink: () => undefined,
      failed: (what) => {
        throw new Error(what);
      },
    });
  }

  get tests() {
    const { runtime } = this.node;
    if (!runtime) throw new Error('pushwake does not run');
    return runtime.appTests;
  }

  /** Starts the site, measures the app, and answers as its person does. */
  async measure(): Promise<AppReport> {
    const { time, phone } = this;
    const { person = true, leavesAfter = Infinity, steps, after, pollsFor = LASTS_AT_MOST } = this.#o;
    this.node.start();
    time.after(2 * SECOND, () => phone.open());
    let started: AppTestStart | undefined;
    let last: AppTestShown | undefined;
    let answered = 0;
    const poll = () => {
      if (!this.node.isUp) return;
      last = this.tests.show(this.id, VERSION) ?? last;
      const { prompt } = last ?? {};
      if (prompt && prompt.number !== answered && prompt.number <= leavesAfter) {
        answered = prompt.number;
        const said = phone.says(prompt.name);
        if (said) time.after(700, () => this.tests.answer(this.id, prompt.number, said));
      }
      if (last?.state !== 'over' && time.nowMs < pollsFor) time.after(POLL_EVERY, poll);
    };
    time.after(30 * SECOND, () => {
      void this.tests
        .start({ of: AOR, device: undefined, person, steps, appName: 'Example Phone 2.1' })
        .then((answer) => {
          started = answer;
          if ('id' in answer) {
            this.id = answer.id;
            poll();
          }
        });
      if (after) time.after(after[0], () => after[1](this));
    });
    await time.run(LASTS_AT_MOST, () => started !== undefined && ('refused' in started || last?.state === 'over'));
    if (!started || 'refused' in started) throw new Error(`not started: ${JSON.stringify(started)}`);
    const shown = this.node.isUp ? this.tests.show(this.id, VERSION) : last;
    this.node.kill();
    if (!shown) throw new Error('nothing was shown');
    return shown.report;
  }
}
