/** A whole site: PBXs, push services, a store, phones and callers, with nodes of the real pushwake among them, and a plan of faults. */
import type { Aor } from '../../plugin/core/aor.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { DAY, type DurationMs, HOUR, SECOND } from '../../plugin/core/time.ts';
import type { RuntimeSettings } from '../../plugin/runtime/runtime.ts';
import { type Call, DESK } from './call.ts';
import { Callers } from './callers.ts';
import { Chance } from './chance.ts';
import { Coverage } from './coverage.ts';
import { DevicesApi } from './devices-api.ts';
import { type Fault, type FaultKind, planOf, stamp } from './faults.ts';
import { Faulty } from './faulty.ts';
import { type LogLine, Node, onBoundaries } from './node.ts';
import type { Oracle, Violation } from './oracle.ts';
import { oracles } from './oracles/index.ts';
import { Pbx } from './pbx.ts';
import { Phone } from './phone.ts';
import { PushService, SERVICE_NAMES, type TokenTruth } from './push-service.ts';
import { type Population, peopleOf, SITES, type SiteName, type SiteShape } from './sites.ts';
import { WorldStore } from './store.ts';
import { WorldTime } from './time.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly site: SiteName;
  readonly weeks: number;
  /** How many times as often faults and calls come. Default 1. */
  readonly dense?: number;
  /** Exactly these kinds of faults. Default: the half of them that the seed has. */
  readonly faults?: readonly FaultKind[];
  /** In place of the seed's own: with some dropped, to find the shortest that still fails. */
  readonly plan?: readonly Fault[];
  /** Keeps every line of the story. Default: none but the last ones. */
  readonly story?: boolean;
}

export interface Result {
  readonly seed: number;
  readonly site: SiteName;
  readonly violation: Violation | undefined;
  readonly plan: readonly Fault[];
  readonly story: readonly string[];
  /** Of every line of the story. */
  readonly digest: string;
  readonly coverage: Coverage;
  readonly rings: number;
}

const LINES_KEPT = 200;
/** Faults begin when the site has filled. */
const QUIET_AT_FIRST: DurationMs = 3 * HOUR;

export class World {
  readonly o: WorldOptions;
  readonly time = new WorldTime();
  readonly chance: Chance;
  readonly store: WorldStore;
  readonly tokens = new Map<string, TokenTruth>();
  readonly services: readonly PushService[];
  readonly pbxs: readonly Pbx[];
  readonly nodes: readonly Node[];
  readonly phones: readonly Phone[];
  readonly accounts: Population['accounts'];
  readonly coverage = new Coverage();
  readonly faulty: Faulty;
  readonly plan: readonly Fault[];
  /** As its administrator has chosen, for as long as nothing is changed. */
  readonly ownPolicy: Policy;
  policy: Policy;
  settings: RuntimeSettings = {
    mode: 'full',
    showCaller: false,
    messages: { wake: false, showText: false },
    forgetAfterMs: DAY,
  };
  violation: Violation | undefined;
  /** True time of the last call's beginning or end. */
  recentCallMs: number | undefined;
  readonly #oracles: readonly Oracle[];
  /** Those that look at each write, and at each line of the log: the two that come most often. */
  readonly #ofCommits: readonly Oracle[];
  readonly #ofLines: readonly Oracle[];
  readonly #story: string[] = [];
  #digest = 0x811c9dc5;

  constructor(options: WorldOptions) {
    this.o = options;
    const { seed, site } = options;
    this.chance = new Chance(seed, site);
    const shape: SiteShape = SITES[site];
    const draw = this.chance.fork('site');
    this.store = new WorldStore(shape.store, this.time, this.chance.fork('store'));
    this.services = SERVICE_NAMES.map(
      (name) => new PushService(name, this.time, this.tokens, this.chance.fork(`service ${name}`), seed),
    );
    const tell = (what: string) => this.tell(what);
    this.pbxs = shape.pbxs.map(({ name, kind, realm }) => {
      const chosen = kind ?? (draw.happens(0.6) ? 'asterisk' : 'freeswitch');
      return new Pbx({
        name,
        kind: chosen,
        realm,
        hep: chosen === 'asterisk' && draw.happens(0.4),
        rewrites: draw.happens(0.7),
        time: this.time,
        chance: this.chance.fork(`pbx ${name}`),
        tell,
        lockedOut: () => this.coverage.count('phone locked out by max_contacts'),
        registered: (phone, aor, uri) => {
          this.tell(`${phone.name} registers at ${aor} ${uri.slice(uri.indexOf('@') + 1, uri.indexOf(';'))}`);
          for (const oracle of this.#oracles) oracle.registered?.(phone, aor, uri, this);
          this.faulty.registered(phone, aor);
        },
      });
    });
    const times = this.chance.fork('times');
    this.ownPolicy = {
      ...DEFAULT_POLICY,
      // With a week, little more than one binding in a hundred sees its end; some sites have shorter times.
      ...(times.happens(0.3) && { ttlMs: times.int(2, 4) * DAY }),
      ...(times.happens(0.5) && { unnotifiableTtlMs: times.int(1, 4) * DAY }),
      missedCalls: draw.happens(0.5),
      declineEverywhere: draw.happens(0.3),
      refreshFromMs: draw.happens(0.2) ? 0 : DEFAULT_POLICY.refreshFromMs,
      onUnregister: draw.happens(0.3) ? 'keep' : 'end',
    };
    this.policy = this.ownPolicy;
    const people = peopleOf(shape, this.pbxs, draw);
    this.accounts = people.accounts;
    const api = new DevicesApi(
      this.time,
      this.chance.fork('devices api'),
      () => this.nodes,
      (status) => this.coverage.count(`http ${status}`),
    );
    this.phones = people.phones.map(
      (phone, i) =>
        new Phone({
          ...phone,
          name: `phone${i}`,
          service: this.services.find((s) => s.name === phone.service) as PushService,
          api,
          tokens: this.tokens,
          time: this.time,
          chance: this.chance.fork(`phone ${i}`),
          tell,
        }),
    );
    for (const phone of this.phones) {
      for (const aor of phone.o.accounts) {
        const { phones } = phone.o.pbx;
        phones.set(aor, [...(phones.get(aor) ?? []), phone]);
      }
    }
    this.nodes = Array.from({ length: shape.nodes }, (_, index) => this.#node(index));
    this.plan =
      options.plan ??
      planOf(this.chance, {
        weeks: options.weeks,
        dense: options.dense ?? 1,
        phones: this.phones.length,
        without: shape.without,
        only: options.faults,
        fromMs: QUIET_AT_FIRST,
      });
    this.faulty = new Faulty(this);
    this.#oracles = oracles();
    this.#ofCommits = this.#oracles.filter((oracle) => oracle.committed);
    this.#ofLines = this.#oracles.filter((oracle) => oracle.logged);
    this.#listen();
  }

  async run(): Promise<Result> {
    // A store that is away throws ten thousand errors an hour, and nobody looks where: only who asks for the story does.
    const { stackTraceLimit } = Error;
    if (!this.o.story) Error.stackTraceLimit = 0;
    onBoundaries(() => {
      for (const node of this.nodes) if (node.boundary()) this.faulty.crashed(node);
    });
    const onRejection = (reason: unknown) =>
      this.fail('nothing throws unheard', reason instanceof Error ? (reason.stack ?? reason.message) : String(reason));
    process.on('unhandledRejection', onRejection);
    try {
      for (const node of this.nodes) node.start();
      for (const { aor, pbx, desk } of this.accounts) {
        if (desk)
          pbx.register({
            aor,
            uri: `${DESK}192.0.2.251:5060;transport=tls;for=${aor}`,
            phone: undefined,
            keeps: true,
          });
      }
      for (const phone of this.phones) phone.start();
      new Callers(this).start();
      this.faulty.start(this.plan);
      this.#hourly();
      await this.time.run(this.o.weeks * 7 * DAY, () => this.violation !== undefined);
    } catch (error) {
      this.fail('the world goes on', error instanceof Error ? (error.stack ?? error.message) : String(error));
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
      process.off('unhandledRejection', onRejection);
      onBoundaries(() => undefined);
      for (const node of this.nodes) node.kill();
    }
    const { seed, site } = this.o;
    return {
      seed,
      site,
      violation: this.violation,
      plan: this.plan,
      story: this.#story,
      digest: (this.#digest >>> 0).toString(16).padStart(8, '0'),
      coverage: this.coverage,
      rings: this.time.rings,
    };
  }

  tell(what: string): void {
    const line = `${stamp(this.time.nowMs)} ${what}`;
    let digest = this.#digest;
    for (let i = 0; i < line.length; i++) digest = Math.imul(digest ^ line.charCodeAt(i), 0x01000193);
    this.#digest = digest;
    this.#story.push(line);
    if (!this.o.story && this.#story.length > 2 * LINES_KEPT) this.#story.splice(0, LINES_KEPT);
  }

  /** The first one counts; the world stops. */
  fail(oracle: string, what: string): void {
    if (this.violation) return;
    this.violation = { oracle, atMs: this.time.nowMs, what };
    this.tell(`VIOLATED: ${oracle}: ${what}`);
  }

  pbxOf(aor: Aor): Pbx {
    return this.accounts.find((a) => a.aor === aor)?.pbx as Pbx;
  }

  #hourly(): void {
    this.time.after(1 * HOUR, () => {
      for (const oracle of this.#oracles) oracle.hourly?.(this);
      this.#hourly();
    });
  }

  callStarted(call: Call): void {
    this.recentCallMs = this.time.nowMs;
    this.tell(`${call.id} calls ${call.aor} (${call.o.linkedId})`);
    this.faulty.callStarted(call);
    for (const oracle of this.#oracles) oracle.callStarted?.(call, this);
  }

  readonly watcher = {
    rang: (call: Call, phone: Phone, leg: { readonly kind: string }, atOnce: number): void => {
      this.tell(`${call.id} rings ${phone.name} by its ${leg.kind} leg`);
      for (const oracle of this.#oracles)
        oracle.rang?.(call, phone, leg as Parameters<NonNullable<Oracle['rang']>>[2], atOnce, this);
    },
    ended: (call: Call): void => {
      this.recentCallMs = this.time.nowMs;
      this.tell(`${call.id} is over: ${call.end}${call.status ? `, ${call.status}` : ''}`);
      this.coverage.count(`call ${call.end}`);
      for (const oracle of this.#oracles) oracle.callEnded?.(call, this);
    },
  };

  #listen(): void {
    this.store.onCommit = (commit) => {
      this.coverage.commit(commit);
      this.faulty.committed(commit);
      for (const oracle of this.#ofCommits) oracle.committed?.(commit, this);
    };
    for (const service of this.services) {
      service.onAttempt = (attempt) => {
        const { request, truth, node } = attempt;
        this.tell(`node ${node} pushes ${request.purpose} to ${truth?.phone.name ?? 'nobody'} for ${request.aor}`);
        for (const oracle of this.#oracles) oracle.attempted?.(attempt, this);
      };
      service.onAnswer = (attempt, row) => {
        this.coverage.count(`verdict ${row}`);
        this.tell(`  ${row}: ${attempt.outcome?.kind}`);
        this.faulty.answered(attempt);
        for (const oracle of this.#oracles) oracle.answered?.(attempt, this);
      };
    }
  }

  #logged(line: LogLine): void {
    const { level, message, fields } = line;
    if (level !== 'debug') {
      this.tell(
        `node ${line.node}: ${message}${['aor', 'reason'].map((f) => (fields[f] === undefined ? '' : ` ${fields[f]}`)).join('')}`,
      );
    }
    this.coverage.logged(line);
    for (const oracle of this.#ofLines) oracle.logged?.(line, this);
  }

  #node(index: number): Node {
    return new Node({
      index,
      time: this.time,
      chance: this.chance.fork(`node ${index}`),
      store: this.store,
      pbxs: this.pbxs,
      services: this.services,
      policy: () => this.policy,
      settings: () => this.settings,
      counts: SITES[this.o.site].counts,
      onLog: (line) => this.#logged(line),
      onEvent: (event) => this.#logged({ node: index, level: 'debug', message: 'webhook', fields: { ...event } }),
      onLink: (link) => {
        link.onRemove = (of, contact) => {
          this.tell(`node ${index} removes a contact of ${contact.aor}`);
          for (const oracle of this.#oracles) oracle.removes?.(of, contact, this);
        };
      },
      failed: (what) => this.fail('every node starts', what),
    });
  }
}

/** Long enough for everything that a call leaves behind, in ms. */
export const AFTER_A_CALL: DurationMs = 45 * SECOND;
