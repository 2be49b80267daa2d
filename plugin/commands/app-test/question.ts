/** What `pushwake app-test` asks the person at the phone, on the terminal or of a file of answers. */
import type { HttpConfig } from '../../../config/http-schema.ts';
import type { QuestionName, Said } from '../../core/app-test/index.ts';
import type { AppTestProgress } from '../../http/app-tests.ts';
import { askAdmin } from '../admin-client.ts';
import { ask, isNo, isYes, tell } from '../terminal.ts';
import type { Answers } from './files.ts';

type Admin = NonNullable<HttpConfig['admin']>;
type Prompt = NonNullable<AppTestProgress['prompt']>;

/** One question at a time, while the test goes on; taken back when it is not asked any more. */
export class Question {
  readonly #admin: Admin;
  readonly #path: string;
  readonly #answers: Answers | undefined;
  #number = 0;
  #open = new AbortController();

  constructor(admin: Admin, path: string, answers: Answers | undefined) {
    this.#admin = admin;
    this.#path = path;
    this.#answers = answers;
  }

  show(prompt: Prompt | undefined): void {
    if (prompt?.number === this.#number) return;
    this.takeBack();
    if (!prompt) return;
    this.#number = prompt.number;
    this.#open = new AbortController();
    void this.#put(prompt, this.#open.signal);
  }

  takeBack(): void {
    this.#open.abort();
  }

  /** An answer that comes too late is refused, and no harm. */
  async #put(prompt: Prompt, signal: AbortSignal): Promise<void> {
    const said = this.#answers ? written(this.#answers, prompt) : await spoken(prompt, signal);
    if (said === undefined) return;
    const body = { prompt: prompt.number, answer: said };
    await askAdmin(this.#admin, { method: 'POST', path: `${this.#path}/answer`, body, role: 'operate' });
  }
}

/** What the file says. What it leaves out nobody looked at, and nobody did; but whoever wrote it is ready. */
function written(answers: Answers, { name, kind }: Prompt): Said | undefined {
  const leftOut = kind === 'ask' ? 'unseen' : name === 'ready' ? 'yes' : 'no';
  return kind === 'now' ? undefined : (answers[name as QuestionName] ?? leftOut);
}

/** Undefined: it waits for no answer, or not any more. */
async function spoken({ kind, text }: Prompt, signal: AbortSignal): Promise<Said | undefined> {
  if (kind === 'now') return void tell(text);
  const choice = kind === 'ask' ? '[yes/no, Enter if nobody looked]' : '[yes/no]';
  while (!signal.aborted) {
    const said = await ask(`${text} ${choice} `, { signal });
    if (isYes(said)) return 'yes';
    if (isNo(said)) return 'no';
    if (said === undefined || (said === '' && kind === 'ask')) return signal.aborted ? undefined : 'unseen';
  }
  return undefined;
}
