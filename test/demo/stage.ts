/**
 * Where the story plays: the scene, its phones, and the one way a step is taken. A step counts when what it promises was
 * seen, within a deadline; otherwise it throws what was seen instead.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ReceivedPush } from '../support/apns-stand-in/index.ts';
import type { PushIdentity, Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import type { Printer, Timing } from './print.ts';
import type { StepName } from './steps.ts';

/** A step did not come true. The message says what was expected and what was seen. */
export class NotSeen extends Error {
  override name = 'NotSeen';
}

/** What a step saw: the sentence to print, when it differs from the one announced, and its time. */
export interface Seen<T = void> extends Timing {
  readonly text?: string;
  /** For the steps that follow. */
  readonly value?: T;
}

/** How long the real world may take for one thing. Generous: busy machines shall not fail the demo. */
const PATIENCE_MS = 15_000;
/** The same in the step that is sabotaged: what is known not to come need not be waited for so long. */
const PATIENCE_WITH_SABOTAGE_MS = 2_000;
let patienceMs = PATIENCE_MS;
/** As a phone with the app in the background takes; a real one needs 0.3 to 2.5 s. */
export const WAKES_AFTER_MS = 300;

export class Stage {
  readonly print: Printer;
  readonly #sabotage: StepName | undefined;
  /** Names of the steps that were observed. */
  readonly observed: StepName[] = [];
  /** The step under way, or the one that failed. */
  current: StepName | undefined;

  constructor(print: Printer, sabotage: StepName | undefined) {
    this.print = print;
    this.#sabotage = sabotage;
  }

  /** Whether this step is to be broken on purpose. */
  sabotages(name: StepName): boolean {
    return this.#sabotage === name;
  }

  async step(name: StepName, sentence: string, observe: () => Promise<Seen>): Promise<void>;
  async step<T>(name: StepName, sentence: string, observe: () => Promise<Seen<T> & { readonly value: T }>): Promise<T>;
  async step<T>(name: StepName, sentence: string, observe: () => Promise<Seen<T>>): Promise<T | undefined> {
    this.current = name;
    patienceMs = this.sabotages(name) ? PATIENCE_WITH_SABOTAGE_MS : PATIENCE_MS;
    this.print.running(sentence);
    const seen = await observe();
    this.observed.push(name);
    this.print.ok(seen.text ?? sentence, seen);
    this.current = undefined;
    return seen.value;
  }
}

/** The phones of the story, once they are there. */
export interface Cast {
  readonly scene: Scene;
  readonly mobile: SipPhone;
  /** Tokens of the app on the mobile. */
  readonly install: PushIdentity;
  readonly desk: SipPhone;
  readonly caller: SipPhone;
}

export interface Waiting {
  /** Completes "… was expected". */
  readonly what: string;
  /** What there is instead, for the one who reads the failure. */
  readonly seen?: () => string | Promise<string>;
  readonly timeoutMs?: number;
}

/** Resolves with the first answer that is neither undefined nor false. */
export async function until<T>(
  check: () => T | undefined | false | Promise<T | undefined | false>,
  { what, seen, timeoutMs = patienceMs }: Waiting,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) {
      const instead = seen ? `; seen: ${await seen()}` : '';
      throw new NotSeen(`${what} was expected within ${timeoutMs / 1000} s${instead}`);
    }
    await delay(4);
  }
}

/** The next call push of this install, counted from `from` pushes on. */
export function callPush(scene: Scene, install: PushIdentity, from: number): ReceivedPush | undefined {
  return scene.apns.pushes.slice(from).find((push) => push.token === install.voip);
}

export const pushBody = (push: ReceivedPush) =>
  (JSON.parse(push.json) as { pushwake: { type?: string; callId?: string; ended?: string; expiresAt?: number } })
    .pushwake;

/** What a caller has been answered so far. */
export function answersOf(call: OutgoingCall): string {
  const all = [...call.progress, ...(call.final ? [call.final] : [])];
  return all.length > 0
    ? `the caller was answered ${all.map((a) => `${a.status} ${a.reason}`).join(', ')}`
    : 'no answer to the caller';
}

/** The last things pushwake said, in short. */
export function lastWords(scene: Scene, lines = 6): string[] {
  return scene.pushwake.log.slice(-lines).map((l) => {
    const more = ['step', 'detail', 'outcome', 'reason', 'hint'].flatMap((k) =>
      typeof l[k] === 'string' ? [l[k]] : [],
    );
    return [l.msg, ...more].join(' · ').slice(0, 200);
  });
}

/** The phone goes to sleep: the app is gone, its connection closed, and Asterisk has noticed. */
export async function fallAsleep({ scene, mobile }: Pick<Cast, 'scene' | 'mobile'>): Promise<void> {
  await mobile.sleep();
  await until(async () => (await scene.contacts(mobile.user)).length === 0, {
    what: `no contact of ${mobile.user} in Asterisk`,
    seen: async () => `Asterisk still holds ${(await scene.contacts(mobile.user)).length}`,
  });
}

/** No channel is left in Asterisk. */
export async function noChannelLeft(scene: Scene): Promise<void> {
  await until(async () => (await scene.asterisk.cli('core show channels concise')).trim() === '', {
    what: 'no channel left in Asterisk',
    seen: async () => {
      const lines = (await scene.asterisk.cli('core show channels concise')).trim().split('\n');
      return `${lines.length} (${lines.map((l) => l.split('!')[0]).join(', ')})`;
    },
  });
}
