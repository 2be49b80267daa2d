import { isErrorNamed } from './error-name.ts';

/**
 * A mistake that the administrator has to mend: in the configuration, or in a file it names. One class for the whole program
 * and for adapters from outside; the program ends with exit code 2 and prints the message, never a stack.
 */
export class ConfigError extends Error {
  override name = 'ConfigError';

  /** An adapter from outside may bring a copy of pushwake of its own, whose class is another one: the name decides. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, 'ConfigError');
  }
}
