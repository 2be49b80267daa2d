import { describe, expect, it } from 'vitest';
import { StreamFramer } from './framing.ts';

const WITH_BODY = 'SIP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nbö!';
const WITHOUT = 'BYE sip:a@b SIP/2.0\r\nl: 0\r\n\r\n';

describe('StreamFramer', () => {
  it('finds both messages at whatever byte the stream is cut', () => {
    const stream = Buffer.from(`\r\n\r\n${WITH_BODY}\r\n${WITHOUT}`);
    for (let cut = 0; cut <= stream.length; cut++) {
      const framer = new StreamFramer();
      const found = [...framer.push(stream.subarray(0, cut)), ...framer.push(stream.subarray(cut))];
      expect(found.map(String)).toEqual([WITH_BODY, WITHOUT]);
    }
  });

  it('finds them in a stream that comes byte by byte', () => {
    const framer = new StreamFramer();
    const found = [...Buffer.from(WITH_BODY + WITHOUT)].flatMap((byte) => framer.push(Buffer.from([byte])));
    expect(found.map(String)).toEqual([WITH_BODY, WITHOUT]);
  });

  it('keeps an unfinished message back', () => {
    const framer = new StreamFramer();
    expect(framer.push(Buffer.from('SIP/2.0 200 OK\r\nContent-Length: 10\r\n\r\nshort'))).toEqual([]);
    expect(framer.push(Buffer.from(' body'))).toHaveLength(1);
  });
});
