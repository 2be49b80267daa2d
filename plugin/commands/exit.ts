/** How commands end. Scripts may rely on these numbers; docs/cli.md and every `--help` list them. */

export const EXIT = {
  /** Done; every check passed or only warned. */
  done: 0,
  /** Failed: a check failed, the store or a service did not do what was asked. */
  failed: 1,
  /** A mistake in the configuration or in the arguments. Nothing was changed. */
  mistake: 2,
  /** The running pushwake could not be asked. */
  cannotAsk: 3,
  /** `start` only: the node was drained and is not to be started again by itself (`RestartPreventExitStatus` of the shipped unit). */
  drained: 4,
} as const;

export const EXIT_HELP = `
Exit codes: 0 done · 1 failed, or a check failed · 2 a mistake in the configuration or the arguments ·
3 the running pushwake cannot be asked · 4 \`start\` was ended by \`drain\``;

/** Thrown by a command that cannot go on. The message is for the administrator: what is wrong, what is expected. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.mistake) {
    super(message);
    this.exitCode = exitCode;
  }
}
