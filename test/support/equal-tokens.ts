/**
 * Makes `toEqual` compare tokens: what they are made of is private, so that any two would be equal. Every suite loads it (vitest.config.ts).
 */
import { expect } from 'vitest';
import { Token } from '../../plugin/core/token.ts';

expect.addEqualityTesters([
  (a: unknown, b: unknown) => {
    if (a instanceof Token && b instanceof Token) return a.equals(b);
    return a instanceof Token || b instanceof Token ? false : undefined;
  },
]);
