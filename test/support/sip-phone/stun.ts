/** Answers connectivity checks as an ICE-lite agent does (RFC 8445 §7.3, RFC 8489). */
import { createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const COOKIE = 0x2112a442;
const [XOR_MAPPED_ADDRESS, MESSAGE_INTEGRITY, FINGERPRINT] = [0x0020, 0x0008, 0x8028];
const HEAD_BYTES = 20;

/** Undefined: the datagram is no check. `password`: our own, which the other side has from our SDP. */
export function stunAnswer(
  datagram: Buffer,
  from: { address: string; port: number },
  password: string,
): Buffer | undefined {
  if (datagram.length < HEAD_BYTES || datagram.readUInt32BE(4) !== COOKIE) return undefined;
  if (datagram.readUInt16BE(0) !== BINDING_REQUEST) return undefined;
  const mapped = Buffer.alloc(8);
  mapped[1] = 1;
  mapped.writeUInt16BE(from.port ^ (COOKIE >>> 16), 2);
  const ip = Buffer.from(from.address.split('.').map(Number)).readUInt32BE(0);
  mapped.writeUInt32BE((ip ^ COOKIE) >>> 0, 4);
  const body = attribute(XOR_MAPPED_ADDRESS, mapped);
  const head = (length: number): Buffer => {
    const h = Buffer.alloc(HEAD_BYTES);
    h.writeUInt16BE(BINDING_SUCCESS, 0);
    h.writeUInt16BE(length, 2);
    datagram.copy(h, 4, 4, HEAD_BYTES);
    return h;
  };
  // Each of the two covers what is before it, with a length as if it were the last.
  const signed = Buffer.concat([head(body.length + 24), body]);
  const integrity = attribute(MESSAGE_INTEGRITY, createHmac('sha1', password).update(signed).digest());
  const whole = Buffer.concat([head(body.length + 32), body, integrity]);
  const print = Buffer.alloc(4);
  print.writeUInt32BE((crc32(whole) ^ 0x5354554e) >>> 0);
  return Buffer.concat([whole, attribute(FINGERPRINT, print)]);
}

function attribute(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value]);
}
