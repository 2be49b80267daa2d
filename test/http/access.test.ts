import { describe, expect, it } from 'vitest';
import { parseAor } from '../../plugin/core/aor.ts';
import { isLoopback } from '../../plugin/core/loopback.ts';
import { type AdminToken, allows, roleOf, sameSecret } from '../../plugin/http/access.ts';
import { accountKey, isAccountKey } from '../../plugin/http/account-key.ts';

const tokens: readonly AdminToken[] = [
  { name: 'prometheus', role: 'metrics', token: 'metrics-token-of-24-chars' },
  { name: 'helpdesk', role: 'read', token: 'read-token-of-24-characters' },
];
const basic = (password: string) => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;

describe('who may see the admin listener', () => {
  it.each([
    ['a bearer token', tokens, { authorization: 'Bearer read-token-of-24-characters' }, 'read'],
    ['a bearer token, scheme in lower case', tokens, { authorization: 'bearer metrics-token-of-24-chars' }, 'metrics'],
    ['a token as the password of a browser', tokens, { authorization: basic('read-token-of-24-characters') }, 'read'],
    ['a wrong token', tokens, { authorization: 'Bearer read-token-of-24-character' }, undefined],
    ['an empty token', tokens, { authorization: 'Bearer ' }, undefined],
    ['a password without a colon before it', tokens, { authorization: `Basic ${btoa('x')}` }, undefined],
    ['no token where there are some', tokens, { host: '127.0.0.1:8470' }, undefined],
    ['this machine, where there is no token', [], { host: '127.0.0.1:8470' }, 'read'],
    ['localhost by name', [], { host: 'localhost:8470' }, 'read'],
    ['IPv6 loopback', [], { host: '[::1]:8470' }, 'read'],
    ['a page that rebound its name to 127.0.0.1', [], { host: 'evil.example.com:8470' }, undefined],
    ['no Host at all', [], {}, undefined],
  ] as const)('%s', (_case, configured, asking, role) => {
    expect(roleOf(configured, asking)).toBe(role);
  });

  it('ranks the roles', () => {
    expect(allows('operate', 'read')).toBe(true);
    expect(allows('read', 'operate')).toBe(false);
    expect(allows('metrics', 'read')).toBe(false);
  });

  it('compares secrets of different length without throwing', () => {
    expect(sameSecret('a', 'aa')).toBe(false);
    expect(sameSecret('same', 'same')).toBe(true);
  });

  it.each(['127.0.0.1', '127.8.9.1', '::1', '[::1]', 'localhost', '::ffff:127.0.0.1'])('%s is loopback', (host) => {
    expect(isLoopback(host)).toBe(true);
  });
  it.each(['0.0.0.0', '::', '10.0.0.1', 'localhost.example.com', '127.0.0.1.example.com', ''])('%s is not', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

describe('the key of an account', () => {
  const aor = parseAor('1001@example.com');
  const other = parseAor('1002@example.com');
  if (!aor || !other) throw new Error('test data');

  it('fits its account and secret only', () => {
    const key = accountKey('secret-of-the-realm-example', aor);
    expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(isAccountKey('secret-of-the-realm-example', aor, key)).toBe(true);
    expect(isAccountKey('secret-of-the-realm-example', other, key)).toBe(false);
    expect(isAccountKey('another-secret-of-the-realm', aor, key)).toBe(false);
    expect(isAccountKey('secret-of-the-realm-example', aor, '')).toBe(false);
  });
});
