/** HEPv3 datagrams as a capture agent writes them, for tests that play one. */

export function hepChunk(type: number, value: Buffer, vendor = 0): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt16BE(vendor, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(value.length + 6, 4);
  return Buffer.concat([head, value]);
}

export function hepDatagram(...chunks: Buffer[]): Buffer {
  const body = Buffer.concat(chunks);
  const head = Buffer.from('HEP3\0\0');
  head.writeUInt16BE(body.length + 6, 4);
  return Buffer.concat([head, body]);
}

/** A SIP message from 10.0.0.9:5060. */
export function hepOfSip(...lines: string[]): Buffer {
  return hepDatagram(
    hepChunk(3, Buffer.from([10, 0, 0, 9])),
    hepChunk(7, Buffer.from([0x13, 0xc4])),
    hepChunk(15, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)),
  );
}
