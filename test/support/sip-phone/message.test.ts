import { describe, expect, it } from 'vitest';
import { branchOf, cseqOf, paramOf, parseMessage, SipHeaders, serialize, splitList, uriOf } from './message.ts';

const INVITE = [
  'INVITE sip:1001@127.0.0.1:5070;line=abc SIP/2.0',
  'v: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bKone',
  'Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKtwo',
  'f: "Zoë, \\"the\\" Caller" <sip:2000@127.0.0.1>;tag=from-tag',
  't: <sip:1001@127.0.0.1>',
  'i: call-1',
  'CSEQ: 7 INVITE',
  'Subject: one',
  ' two',
  'l: 5',
  '',
  'body\n',
].join('\r\n');

describe('parseMessage', () => {
  it('reads a request with compact names, folded lines and non-ASCII text', () => {
    const message = parseMessage(Buffer.from(INVITE));
    if (message?.kind !== 'request') throw new Error('not a request');
    expect(message.method).toBe('INVITE');
    expect(message.uri).toBe('sip:1001@127.0.0.1:5070;line=abc');
    expect(message.headers.all('Via')).toHaveLength(2);
    expect(message.headers.get('from')).toContain('Zoë');
    expect(message.headers.get('subject')).toBe('one two');
    expect(branchOf(message)).toBe('z9hG4bKone');
    expect(cseqOf(message)).toEqual({ number: 7, method: 'INVITE' });
    expect(message.body).toBe('body\n');
  });

  it('reads a response', () => {
    const message = parseMessage(Buffer.from('SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n'));
    expect(message).toMatchObject({ kind: 'response', status: 486, reason: 'Busy Here', body: '' });
  });

  it('answers undefined for what is no SIP message', () => {
    expect(parseMessage(Buffer.from('\r\n\r\n'))).toBeUndefined();
    expect(parseMessage(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBeUndefined();
  });
});

describe('serialize', () => {
  it('counts the body in bytes and keeps the order of headers', () => {
    const headers = new SipHeaders([
      ['X-B', '1'],
      ['X-A', '2'],
    ]);
    const text = serialize({ kind: 'request', method: 'MESSAGE', uri: 'sip:a@b', headers, body: 'ë' });
    expect(text).toBe('MESSAGE sip:a@b SIP/2.0\r\nX-B: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\në');
  });
});

describe('header values', () => {
  it('splits at commas, but not inside quotes and angle brackets', () => {
    expect(splitList('"a, \\"b" <sip:a@b;x=1,2>;q=1, <sip:c@d>')).toEqual([
      '"a, \\"b" <sip:a@b;x=1,2>;q=1',
      '<sip:c@d>',
    ]);
  });

  it('tells parameters of the URI from those of the header', () => {
    const contact = '<sip:a@b;tag=uri>;tag=header;+sip.instance="<urn:uuid:1>"';
    expect(uriOf(contact)).toBe('sip:a@b;tag=uri');
    expect(paramOf(contact, 'tag')).toBe('header');
    expect(paramOf('SIP/2.0/UDP a;rport;branch=x', 'rport')).toBe('');
    expect(paramOf('<sip:a@b>', 'tag')).toBeUndefined();
  });
});
