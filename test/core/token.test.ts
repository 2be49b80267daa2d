/** Of a token only its fingerprint shows, by whichever way. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fingerprint, Token } from '../../plugin/core/token.ts';

const SECRET = 'b5d1f0c2a7e94d38';

describe('a token', () => {
  it.each([
    ['a template string', (t: Token) => `${t}`],
    ['JSON', (t: Token) => JSON.stringify({ t })],
    ['what Node prints of it', (t: Token) => inspect({ t }, { showHidden: true, depth: 9 })],
    ['its own properties', (t: Token) => Object.getOwnPropertyNames(t).join()],
  ])('is not in %s', (_, shown) => {
    expect(shown(new Token(SECRET))).not.toContain(SECRET);
  });

  it('has the same fingerprint each time it is asked', () => {
    const token = new Token(SECRET);
    expect([token.fingerprint, token.fingerprint]).toEqual([fingerprint(SECRET), fingerprint(SECRET)]);
  });
});

describe('tokens in expectations', () => {
  it('are equal when they are the same text, wherever they lie, and to nothing else', () => {
    const of = (text: string) => ({ targets: [{ token: new Token(text) }] });
    expect(of('a')).toEqual(of('a'));
    expect(of('a')).toStrictEqual(of('a'));
    expect(of('a')).not.toEqual(of('b'));
    expect(of('a')).not.toStrictEqual(of('b'));
    expect(of('a')).not.toMatchObject(of('b'));
    expect(of('a')).not.toEqual({ targets: [{ token: {} }] });
  });
});
