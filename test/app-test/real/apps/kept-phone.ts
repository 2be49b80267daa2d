/**
 * A phone that has one softphone on it: the system, which starts the program for a push and kills it when it has nothing to do, as Android
 * does; and the person, who answers by what the program shows.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type QuestionName, STEPS, type StepName } from '../../../../plugin/core/app-test/index.ts';
import type { FcmStandIn, ReceivedPush } from '../../../support/fcm-stand-in/index.ts';
import type { PushToken, Softphone } from './program.ts';

const SLEEPS_AFTER_MS = 4_000;
const LOOKS_EVERY_MS = 100;
/** From the push until the system has made room for the app; without it a program of a few kilobytes is there before the caller can hang up. */
const STARTS_IN_MS = 1_000;

/** All that a program without a screen for texts can be asked. */
export const STEPS_OF_PROGRAMS: readonly StepName[] = STEPS.filter((step) => step !== 'notice');

export class KeptPhone {
  readonly app: Softphone;
  readonly #fcm: FcmStandIn;
  #token: PushToken;
  #stopsHearing: () => void = () => undefined;
  #looking: NodeJS.Timeout | undefined;
  #isRunning = false;
  #idleSinceMs = 0;
  #isOffline = false;
  #isLoggedOut = false;
  #isClosed = false;
  readonly #late: ReceivedPush[] = [];
  /** One thing after the other is done with the program. */
  #last: Promise<unknown> = Promise.resolve();
  /** What the screen had shown when the last question was answered. */
  #shownBefore = 0;

  constructor(app: Softphone, fcm: FcmStandIn) {
    this.app = app;
    this.#fcm = fcm;
    this.#token = this.#newToken();
  }

  /** The app is installed and opened. */
  async open(): Promise<void> {
    await this.#start();
    this.#looking = setInterval(() => this.#look(), LOOKS_EVERY_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#looking);
    this.#stopsHearing();
    await this.#then(() => this.#end());
  }

  /** Resolves when the system has put the app to sleep. */
  async sleeps(): Promise<void> {
    while (this.#isRunning) await delay(LOOKS_EVERY_MS);
  }

  #newToken(): PushToken {
    const [project] = this.#fcm.apps;
    if (!project) throw new Error('the stand-in has no project');
    const prid = `dEf012_of-a-program:APA91b${randomBytes(24).toString('hex')}`;
    this.#fcm.register(prid);
    this.#stopsHearing();
    this.#stopsHearing = this.#fcm.onPush(prid, (push) => this.#pushed(push));
    return { param: project.senderId, prid };
  }

  async says(name: QuestionName): Promise<'yes' | 'no' | undefined> {
    const { screen } = this.app;
    const word = (yes: boolean) => (yes ? 'yes' : 'no');
    const shown = screen.shown - this.#shownBefore;
    this.#shownBefore = screen.shown;
    switch (name) {
      case 'ready':
        await this.sleeps();
        return 'yes';
      case 'answer-now':
        // The question comes while the call rings, and its screen belongs to the question that follows.
        this.#shownBefore -= shown;
        this.app.answer();
        return undefined;
      case 'one-screen':
      case 'one-screen-again':
        return word(shown === 1);
      case 'silent-before':
      case 'silent-after':
      case 'silent-late':
        return word(!screen.isRinging);
      case 'not-missed':
        return this.#notMissed();
      case 'offline':
        this.#isOffline = true;
        await this.#then(() => this.#end());
        return 'yes';
      case 'online':
        this.#isOffline = false;
        for (const push of this.#late.splice(0)) this.#pushed(push);
        return 'yes';
      case 'saw-nothing':
        return word(shown === 0);
      case 'saw-notice':
        return undefined;
      case 'new-token':
        this.#token = this.#newToken();
        await this.#then(() => this.#end());
        await this.#start();
        return 'yes';
      case 'log-out':
        await this.#start();
        await this.#then(async () => {
          // A person sees that the app is connected, and then looks for the menu.
          await this.app.connected();
          this.#isLoggedOut = true;
          await this.app.logOut();
          this.#isRunning = false;
        });
        return 'yes';
      case 'log-in':
        this.#isLoggedOut = false;
        await this.#start();
        return 'yes';
      default:
        return name satisfies never;
    }
  }

  async #notMissed(): Promise<'yes' | 'no' | undefined> {
    if (this.app.screen.isRinging) return 'no';
    const isMissed = await this.app.showsMissed();
    return isMissed === undefined ? undefined : isMissed ? 'no' : 'yes';
  }

  #pushed(push: ReceivedPush): void {
    const { type } = push.data;
    if (this.#isOffline) return void this.#late.push(push);
    if (!this.#isLoggedOut && (type === 'call' || type === 'refresh')) void this.#startFor();
  }

  /** The system has to start the app first. */
  async #startFor(): Promise<void> {
    await delay(STARTS_IN_MS);
    if (!this.#isOffline && !this.#isLoggedOut && !this.#isClosed) await this.#start();
  }

  #look(): void {
    if (!this.#isRunning) return;
    if (this.app.screen.isBusy) this.#idleSinceMs = performance.now();
    else if (performance.now() - this.#idleSinceMs > SLEEPS_AFTER_MS) void this.#then(() => this.#end());
  }

  async #start(): Promise<void> {
    this.#idleSinceMs = performance.now();
    await this.#then(async () => {
      if (this.#isRunning) return;
      this.#isRunning = true;
      await this.app.start(this.#token);
    });
  }

  async #end(): Promise<void> {
    if (!this.#isRunning) return;
    await this.app.kill();
    this.#isRunning = false;
  }

  #then(what: () => Promise<unknown>): Promise<unknown> {
    this.#last = this.#last.then(what, what);
    return this.#last;
  }
}
