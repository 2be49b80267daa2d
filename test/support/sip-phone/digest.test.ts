import { describe, expect, it } from 'vitest';
import { digestAnswer, parseChallenge } from './digest.ts';

describe('digestAnswer', () => {
  it('gives the answer of the example in RFC 2617 §3.5', () => {
    const answer = digestAnswer({
      user: 'Mufasa',
      password: 'Circle Of Life',
      method: 'GET',
      uri: '/dir/index.html',
      challenge:
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
      cnonce: '0a4f113b',
    });
    expect(answer).toContain('response="6629fae49393a05397450978507c4ef1"');
    expect(answer).toContain('qop=auth, nc=00000001, cnonce="0a4f113b"');
    expect(answer).toContain('opaque="5ccc069c403ebaf9f0171e9517f40e41"');
  });

  it('leaves qop out when the server does', () => {
    const answer = digestAnswer({
      user: 'u',
      password: 'p',
      method: 'REGISTER',
      uri: 'sip:a',
      challenge: 'Digest realm="r",nonce="n"',
    });
    expect(answer).not.toContain('qop');
    expect(answer).toContain('realm="r", nonce="n", uri="sip:a"');
  });
});

describe('parseChallenge', () => {
  it('reads quoted commas and bare values', () => {
    expect(Object.fromEntries(parseChallenge('Digest realm="a, \\"b\\"", algorithm=MD5,Stale=true'))).toEqual({
      realm: 'a, "b"',
      algorithm: 'MD5',
      stale: 'true',
    });
  });
});
