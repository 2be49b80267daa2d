/** A rule that an accepted input breaks; anything else that is thrown is a crash. */
export class Broken extends Error {
  override name = 'Broken';
}
