/**
 * Several nodes beside one Asterisk that has StasisBroadcast (20.20, 22.10, 23.4 or newer). The dialplan asks all of them which one answers a call, as
 * long as the global variable PUSHWAKE_NODES is set; the first that claims it has it, and says so by letting the channel go on at `pushwake-claimed`
 * with its own name (ADR 0134). What it does with the call afterwards is the same as without others.
 */
import type { DurationMs } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import { CALL_DEADLINE } from './deadlines.ts';

/** A node that is drained, or only observes, leaves a call to the others: it claims what nobody has claimed after this time, in ms. */
const LEAVES_TO_OTHERS: DurationMs = 150;

/** Looks in a row in which another node has said nothing, after which it counts as gone. A node that stands still itself looks at nothing. */
const SILENT_LOOKS = 4;
/** A leg may have been on its way to a node that hung: it is looked for once more, so many looks later. */
const LOOK_AGAIN_AFTER = 5;

/**
 * Which other nodes have fallen silent, and when it is this node's turn to take over the legs that wait on them. Counted in looks: of several nodes
 * that are left the first by name looks first, the next one a look later, for what the first has not taken. One that has never spoken only observes, or is
 * of a version that does not speak. Pure.
 */
export class SilentNodes {
  readonly #app: string;
  readonly #silent = new Map<string, number>();

  constructor(app: string) {
    this.#app = app;
  }

  alive(node: string): void {
    this.#silent.set(node, 0);
  }

  /** Another look has found these applications. Answers with the nodes whose legs are to be taken over now. */
  looked(others: readonly string[]): readonly string[] {
    for (const node of this.#silent.keys()) if (!others.includes(node)) this.#silent.delete(node);
    const looks = [...this.#silent].map(([node, silent]) => ({ node, silent: silent + 1 }));
    for (const { node, silent } of looks) this.#silent.set(node, silent);
    const left = [this.#app, ...looks.filter(({ silent }) => silent < SILENT_LOOKS).map(({ node }) => node)].sort();
    const turn = SILENT_LOOKS + left.indexOf(this.#app);
    return looks.flatMap(({ node, silent }) => ([turn, turn + LOOK_AGAIN_AFTER].includes(silent) ? [node] : []));
  }
}

export interface ClaimsIo {
  readonly pbx: string;
  readonly deps: AdapterDeps;
  readonly isDrained: () => boolean;
  /** Carries out a named operation of `session.ts`. Rejects with `LinkError`. */
  readonly call: <T>(operation: string, args: object, deadlineMs: number) => Promise<T>;
}

/** Claims by way of the main thread: a node whose main thread stands still claims nothing. */
export class Claims {
  readonly #io: ClaimsIo;
  readonly #waiting = new Set<() => void>();

  constructor(io: ClaimsIo) {
    this.#io = io;
  }

  /** A call that the dialplan asks all nodes for. */
  offered(channelId: string): void {
    const { deps, isDrained } = this.#io;
    if (!isDrained() && !deps.observing) return this.#order('claim', channelId);
    const cancel = deps.clock.after(LEAVES_TO_OTHERS, () => {
      this.#waiting.delete(cancel);
      this.#order('claim', channelId);
    });
    this.#waiting.add(cancel);
  }

  /** It is ours: its dialplan goes on, and asks for us. */
  won(channelId: string): void {
    this.#order('answerClaim', channelId);
  }

  /** Ends all timers. */
  stop(): void {
    for (const cancel of this.#waiting) cancel();
    this.#waiting.clear();
  }

  #order(operation: 'claim' | 'answerClaim', channelId: string): void {
    // The dialplan asks once more, or goes on without us.
    this.#io
      .call(operation, { channelId }, CALL_DEADLINE)
      .catch((error: unknown) =>
        this.#io.deps.log.debug({ pbx: this.#io.pbx, reason: String(error) }, 'cannot claim a call'),
      );
  }
}
