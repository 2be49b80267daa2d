/**
 * One HEPv3 datagram: the envelope that a capture agent puts around a copy of a SIP message. Pure, and cheap whatever is in it:
 * anybody who reaches the port may send one.
 */
import { sameSecret } from '../../shared/same-secret.ts';

/** The fields of a HEPv3 datagram that pushwake uses. The payload is not parsed yet. */
export interface HepDatagram {
  readonly payload: Buffer;
  /** `ip:port` the SIP message came from. */
  readonly source: string;
  /** When the PBX sent it, by the PBX's clock; absent when it does not say. */
  readonly sentEpochMs?: number;
  /** `capture_password`, when the sender gave one. */
  readonly password?: Buffer;
}

/** Chunk types of HEPv3, vendor 0. */
const CHUNK = { ip4Source: 3, ip6Source: 5, sourcePort: 7, seconds: 9, microseconds: 10, password: 14, payload: 15 };

/** res_hep writes 13. */
const MOST_CHUNKS = 64;
/** Longest `capture_password` that is compared, in bytes. */
const LONGEST_PASSWORD = 1024;

/** Reads the envelope. Undefined: not HEPv3, cut, or nothing in it. Never throws. */
export function parseHep(datagram: Buffer): HepDatagram | undefined {
  if (datagram.length < 6 || datagram.toString('latin1', 0, 4) !== 'HEP3') return undefined;
  const end = datagram.readUInt16BE(4);
  if (end > datagram.length) return undefined;
  let ip: Buffer | undefined;
  let port = 0;
  let seconds: number | undefined;
  let microseconds = 0;
  let chunks = 0;
  let payload: Buffer | undefined;
  let password: Buffer | undefined;
  for (let i = 6; i + 6 <= end; ) {
    const vendor = datagram.readUInt16BE(i);
    const type = datagram.readUInt16BE(i + 2);
    const length = datagram.readUInt16BE(i + 4);
    if (length < 6 || i + length > end || ++chunks > MOST_CHUNKS) return undefined;
    const value = datagram.subarray(i + 6, i + length);
    i += length;
    if (vendor !== 0) continue;
    if (type === CHUNK.ip4Source && value.length === 4) ip = value;
    else if (type === CHUNK.ip6Source && value.length === 16) ip = value;
    else if (type === CHUNK.sourcePort && value.length === 2) port = value.readUInt16BE(0);
    else if (type === CHUNK.seconds && value.length === 4) seconds = value.readUInt32BE(0);
    else if (type === CHUNK.microseconds && value.length === 4) microseconds = value.readUInt32BE(0);
    else if (type === CHUNK.password) password = value;
    else if (type === CHUNK.payload) payload = value;
  }
  if (!payload) return undefined;
  return {
    payload,
    source: `${ip ? addressOf(ip) : ''}:${port}`,
    ...(seconds === undefined ? {} : { sentEpochMs: seconds * 1_000 + microseconds / 1_000 }),
    ...(password ? { password } : {}),
  };
}

export function passwordMatches(expected: string, given: Buffer | undefined): boolean {
  if (given !== undefined && given.length > LONGEST_PASSWORD) return false;
  return sameSecret(expected, given ?? '');
}

/** Whether the payload is worth reading at all: a REGISTER, a 200, or a refusal. */
export function mayConcernUs(payload: Buffer): boolean {
  const start = payload.toString('latin1', 0, 12);
  return start.startsWith('REGISTER ') || start === 'SIP/2.0 200 ' || refusalIn(start) !== undefined;
}

/**
 * The status of an answer that may refuse: "too brief" (423) is answered by the same REGISTER, put right. Whether 401 or 407 is a
 * challenge or a refusal is known only from the REGISTER that it answers.
 */
export function refusalIn(startLine: string): number | undefined {
  const status = Number(/^SIP\/2\.0 ([3-6]\d\d) /.exec(startLine)?.[1]);
  return Number.isInteger(status) && status !== 423 ? status : undefined;
}

function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname;
}
