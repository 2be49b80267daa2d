/** What the demo prints. On a terminal the running step is shown with its seconds; elsewhere only finished lines. */
import { clearLine, cursorTo } from 'node:readline';

/** Column at which the times begin. */
const WIDTH = 86;
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

export interface Timing {
  readonly ms: number;
  /** "after the call", "after REGISTER"; empty when the step's own duration is meant. */
  readonly since?: string;
}

export class Printer {
  readonly #out: NodeJS.WriteStream;
  readonly #colours: boolean;
  #spinner: NodeJS.Timeout | undefined;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
    this.#colours = out.isTTY && !process.env.NO_COLOR;
  }

  title(text: string): void {
    this.line(this.#bold(text));
  }

  part(text: string): void {
    this.line('');
    this.line(this.#bold(text));
  }

  /** Shows on a terminal that something is under way; a line that is printed next takes its place. */
  running(text: string): void {
    this.#stopSpinner();
    if (!this.#out.isTTY) return;
    const begun = performance.now();
    let frame = 0;
    const draw = () => {
      const seconds = Math.floor((performance.now() - begun) / 1000);
      cursorTo(this.#out, 0);
      clearLine(this.#out, 0);
      const room = Math.max(20, (this.#out.columns || 80) - 12);
      this.#out.write(
        `  ${FRAMES[frame++ % FRAMES.length]} ${text.slice(0, room)}${seconds > 0 ? `  ${seconds} s` : ''}`,
      );
    };
    draw();
    this.#spinner = setInterval(draw, 100);
    this.#spinner.unref();
  }

  ok(text: string, timing: Timing): void {
    this.line(`  ${this.#colour(32, '✓')} ${pad(text)}${this.#colour(2, timingText(timing))}`);
  }

  fail(text: string): void {
    this.line(`  ${this.#colour(31, '✗')} ${text}`);
  }

  note(text: string): void {
    this.line(`    ${this.#colour(2, text)}`);
  }

  line(text: string): void {
    this.#stopSpinner();
    this.#out.write(`${text}\n`);
  }

  /** Whatever is under way is no longer. */
  close(): void {
    this.#stopSpinner();
  }

  #stopSpinner(): void {
    if (!this.#spinner) return;
    clearInterval(this.#spinner);
    this.#spinner = undefined;
    cursorTo(this.#out, 0);
    clearLine(this.#out, 0);
  }

  #bold(text: string): string {
    return this.#colour(1, text);
  }

  #colour(code: number, text: string): string {
    return this.#colours ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

function pad(text: string): string {
  return text.length < WIDTH ? text.padEnd(WIDTH) : `${text} `;
}

function timingText({ ms, since }: Timing): string {
  const number = ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${number.padStart(8)}${since ? ` ${since}` : ''}`;
}
