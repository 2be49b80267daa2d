/** The person at the phone, as a running test reaches them: one prompt at a time, shown to the command that polls, and answered by it. */
import { type Answer, QUESTIONS, type QuestionName } from '../../core/app-test/index.ts';

export interface Prompt {
  readonly name: QuestionName;
  readonly kind: (typeof QUESTIONS)[QuestionName]['kind'];
  readonly text: string;
  /** Grows by one with each prompt: an answer says which one it is for. */
  readonly number: number;
}

export class Person {
  /** Nobody is there: nothing is asked. */
  readonly isThere: boolean;
  #prompt: Prompt | undefined;
  #answer: Answer | undefined;
  #number = 0;

  constructor(isThere: boolean) {
    this.isThere = isThere;
  }

  get prompt(): Prompt | undefined {
    return this.#prompt;
  }

  get answered(): Answer | undefined {
    return this.#answer;
  }

  show(name: QuestionName): void {
    const { kind, text } = QUESTIONS[name];
    this.#number++;
    this.#answer = undefined;
    this.#prompt = { name, kind, text, number: this.#number };
  }

  clear(): void {
    this.#prompt = undefined;
  }

  /** False: that prompt is no longer shown, or takes no answer. */
  answer(number: number, answer: Answer): boolean {
    if (this.#prompt?.number !== number || this.#prompt.kind === 'now') return false;
    this.#answer = answer;
    return true;
  }
}
