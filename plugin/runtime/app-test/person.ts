/** The person at the phone, as a running test reaches them: one prompt at a time, shown to the command that polls, and answered by it. */
import { QUESTIONS, type QuestionName, type Said } from '../../core/app-test/index.ts';

export interface Prompt {
  readonly name: QuestionName;
  readonly kind: (typeof QUESTIONS)[QuestionName]['kind'];
  readonly text: string;
  /** Grows by one with each prompt: an answer says which one it is for. */
  readonly number: number;
}

export class Person {
  #isThere: boolean;
  #prompt: Prompt | undefined;
  #answer: Said | undefined;
  #number = 0;

  constructor(isThere: boolean) {
    this.#isThere = isThere;
  }

  /** False: nothing is asked. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** Somebody who did not answer is not waited for again. */
  left(): void {
    this.#isThere = false;
  }

  get prompt(): Prompt | undefined {
    return this.#prompt;
  }

  get answered(): Said | undefined {
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
  answer(number: number, answer: Said): boolean {
    if (this.#prompt?.number !== number || this.#prompt.kind === 'now') return false;
    this.#answer = answer;
    return true;
  }
}
