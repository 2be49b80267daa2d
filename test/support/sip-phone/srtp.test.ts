import { describe, expect, it } from 'vitest';
import { SrtpSender } from './srtp.ts';

describe('SRTP', () => {
  // RFC 3711 has no whole packet; this one is of libsrtp's test driver (srtp_validate).
  it('protects the packet of libsrtp’s own test as libsrtp does', () => {
    const key = Buffer.from('e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6', 'hex');
    const head = Buffer.from('800f1234decafbadcafebabe', 'hex');
    const sent = new SrtpSender(key).protect(Buffer.concat([head, Buffer.alloc(16, 0xab)]));
    expect(sent.toString('hex')).toBe('800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb');
  });
});
