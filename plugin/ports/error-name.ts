/**
 * Whether a value is an error of this name. An adapter from outside may bring a copy of pushwake of its own, whose classes are others than
 * ours; so the classes that adapters throw are told apart by their names.
 */
export function isErrorNamed(value: unknown, name: string): boolean {
  return Error[Symbol.hasInstance](value) && (value as Error).name === name;
}
