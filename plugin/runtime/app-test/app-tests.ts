/** The tests of apps that run, and the last that ran: who may start one, and what is shown of them. */
import { type Aor, parseAor } from '../../core/aor.ts';
import { type AppReport, measurable, reportOf, type Said, STEPS, type StepName } from '../../core/app-test/index.ts';
import type { Binding } from '../../core/binding.ts';
import type { PolicyFor } from '../../core/lifecycle.ts';
import type { Mode } from '../../core/policy.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { PbxEvent, PbxLink } from '../../ports/pbx-link.ts';
import type { Links } from '../pbx/links.ts';
import type { Prompt } from './person.ts';
import { AppTestRun, type RunOptions } from './run.ts';

/** Tests place calls: this many accounts at once at the most. */
const RUNNING_AT_MOST = 4;
/** Finished ones that can still be asked for. */
const KEPT = 20;
/** A shorter name of an account stands in every second word. */
const SECRET_FROM = 3;

export interface AppTestsOptions extends Pick<RunOptions, 'clock' | 'delivery' | 'traces' | 'read' | 'newId'> {
  readonly log: Logger;
  readonly links: Links;
  readonly mode: () => Mode;
  readonly policyFor: (aor: Aor) => PolicyFor;
}

export interface AppTestAsked {
  readonly of: string;
  /** The beginning of a binding's id, where the account has several devices. */
  readonly device: string | undefined;
  /** Somebody looks at the phone and answers. */
  readonly person: boolean;
  /** Undefined: all. */
  readonly steps: readonly StepName[] | undefined;
  /** What the report calls the app. Undefined: as the app calls itself. */
  readonly appName: string | undefined;
}

export type AppTestStart = { readonly id: string } | { readonly refused: string };

export interface AppTestShown {
  readonly id: string;
  readonly state: 'running' | 'over';
  readonly step?: StepName;
  readonly prompt?: Prompt;
  readonly report: AppReport;
}

interface Test {
  readonly id: string;
  readonly run: AppTestRun;
  readonly link: PbxLink;
  readonly appName: string;
  readonly date: string;
  readonly over: Promise<void>;
}

export class AppTests {
  readonly #o: AppTestsOptions;
  readonly #tests = new Map<string, Test>();

  constructor(options: AppTestsOptions) {
    this.#o = options;
  }

  async start(asked: AppTestAsked): Promise<AppTestStart> {
    const { clock, delivery, traces, read, newId, links, log, policyFor } = this.#o;
    const aor = parseAor(asked.of);
    if (!aor) return { refused: 'expected an account: 1001@example.com' };
    if (this.#o.mode() !== 'full') return { refused: 'pushwake only observes (mode: observe), so no phone is woken' };
    const devices = measurable((await read(aor))?.bindings ?? []);
    const chosen = devices.filter((b) => asked.device === undefined || b.id.startsWith(asked.device));
    const [device] = chosen;
    if (device === undefined) return { refused: 'no device of this account can be woken; its app must register first' };
    if (chosen.length > 1) return { refused: `the account has several devices; choose one: ${idsOf(chosen)}` };
    const link =
      links.own.find((l) => l.up && links.owns(l, aor) && l.name === lastPbx(device)) ??
      links.own.find((l) => l.up && links.owns(l, aor));
    if (!link) return { refused: 'the PBX of this account is away' };
    const answer = await link.ask(aor).catch(() => undefined);
    if (answer === undefined) return { refused: 'the PBX does not answer' };
    // Looked at once more after the waiting: two may ask at the same time.
    const running = [...this.#tests.values()].filter((t) => !t.run.isOver);
    if (running.some((t) => t.run.aor === aor)) return { refused: 'an app of this account is being tested already' };
    if (running.length >= RUNNING_AT_MOST) return { refused: `${RUNNING_AT_MOST} tests run already` };
    const known = new Set(device.contacts.map((c) => c.uri));
    const agent = answer.contacts.find((c) => known.has(c.uri))?.userAgent;
    const run = new AppTestRun({
      clock,
      link,
      delivery,
      traces,
      read,
      newId,
      aor,
      device,
      ringTimeMs: policyFor(aor)(device).ringTimeMs,
      person: asked.person,
      steps: asked.steps ?? STEPS,
      plainContacts: answer.contacts.filter((c) => !known.has(c.uri)).map((c) => c.uri),
    });
    const id = newId();
    const over = run.run().then(
      () => log.info({ aor, bindingId: device.id, reason: run.stopped }, 'the test of an app is over'),
      (error: unknown) => log.error({ aor, reason: String(error) }, 'the test of an app failed'),
    );
    const date = new Date(clock.now()).toISOString().slice(0, 10);
    this.#tests.set(id, { id, run, link, appName: asked.appName ?? agent ?? '', date, over });
    this.#forget();
    log.info({ aor, bindingId: device.id }, 'an app is tested');
    return { id };
  }

  /** Undefined: there is none of this id. `version`: pushwake's own, for the report. */
  show(id: string, version: string): AppTestShown | undefined {
    const test = this.#tests.get(id);
    if (!test) return undefined;
    const { run } = test;
    run.touch();
    const { step, isOver } = run;
    const { prompt } = run.person;
    return {
      id,
      state: isOver ? 'over' : 'running',
      ...(step !== undefined && !isOver && { step }),
      ...(prompt !== undefined && { prompt }),
      report: this.#report(test, version),
    };
  }

  /** False: that prompt no longer waits for an answer. */
  answer(id: string, number: number, answer: Said): boolean {
    return this.#tests.get(id)?.run.person.answer(number, answer) ?? false;
  }

  /** Ends it at its next look, half a second later at most. False: there is none of this id. */
  stop(id: string, why: string): boolean {
    const test = this.#tests.get(id);
    test?.run.stop(why);
    return test !== undefined;
  }

  /** Pushwake stops, and its links with it. Resolves when no test call is left. */
  async stopAll(): Promise<void> {
    for (const { run } of this.#tests.values()) run.stop('pushwake was stopped');
    await Promise.all([...this.#tests.values()].map(({ over }) => over));
  }

  /** Calls of this account say nothing of how well its phones wake. */
  measures(aor: Aor): boolean {
    return [...this.#tests.values()].some(({ run }) => run.aor === aor && run.isFresh);
  }

  /** Whether it is a test call. */
  placed(callId: string): boolean {
    return [...this.#tests.values()].some(({ run }) => run.placed.has(callId));
  }

  heard(event: PbxEvent): void {
    for (const { run } of this.#tests.values()) run.heard(event);
  }

  #report({ run, link, appName, date }: Test, version: string): AppReport {
    const { aor, subject, seen, stopped } = run;
    const user = aor.slice(0, aor.indexOf('@'));
    return reportOf({
      pushwake: version,
      pbx: link.product ?? link.name,
      date,
      appName,
      subject,
      steps: seen,
      stopped: stopped ?? (run.isOver ? undefined : 'it is still running'),
      secrets: [aor, user].filter((text) => text.length >= SECRET_FROM),
    });
  }

  #forget(): void {
    const over = [...this.#tests.values()].filter((t) => t.run.isOver);
    for (const { id } of over.slice(0, Math.max(0, over.length - KEPT))) this.#tests.delete(id);
  }
}

const idsOf = (devices: readonly Binding[]): string => devices.map((b) => b.id.slice(0, 8)).join(', ');

/** Where the device was last seen. */
function lastPbx({ contacts }: Binding): string | undefined {
  return [...contacts].sort((a, b) => b.seenAt - a.seenAt)[0]?.pbx;
}
