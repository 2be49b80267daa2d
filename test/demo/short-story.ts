/** A story without sabotages: each step is printed when it was observed; the first one that is not ends it with exit code 1. */
import { Printer } from './print.ts';

export class ShortStory {
  readonly print = new Printer();
  readonly #begunMs = performance.now();
  #steps = 0;
  #sentence = '';

  /** What happens, and from when its time counts. */
  async step<T>(text: string, observe: () => Promise<T>, since?: () => [string, number]): Promise<T> {
    this.#sentence = text;
    const from = performance.now();
    this.print.running(text);
    const value = await observe();
    const [words, at] = since?.() ?? ['', from];
    this.print.ok(text, { ms: performance.now() - at, ...(words ? { since: words } : {}) });
    this.#steps++;
    return value;
  }

  /** Plays it; the exit code of the demo. */
  async play(story: () => Promise<void>, cleanUp: () => Promise<unknown>): Promise<number> {
    const { print } = this;
    try {
      await story();
      print.line('');
      print.line(`All ${this.#steps} steps observed in ${((performance.now() - this.#begunMs) / 1000).toFixed(1)} s.`);
      return 0;
    } catch (error) {
      print.fail(`"${this.#sentence}": ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
      return 1;
    } finally {
      print.close();
      await cleanUp();
    }
  }
}

/** For a step whose time counts from a call. */
export const sinceCall = (of: { invitedAt: number }) => (): [string, number] => ['after the call', of.invitedAt];
