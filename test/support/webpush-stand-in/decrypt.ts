/** The browser's side of RFC 8291: decrypts a push with the keys of its subscription. Written from the RFCs, not from a library. */
import { createDecipheriv, type ECDH, hkdfSync } from 'node:crypto';

/** The text, or why it cannot be read. */
export function decrypt(body: Buffer, curve: ECDH, auth: Buffer): { text: string } | { wrong: string } {
  // RFC 8188 §2.1: salt (16), record size (4), length of the key id (1), key id: here the sender's public key (65).
  if (body.length > 4_096) return { wrong: `${body.length} bytes, 4096 are allowed` };
  if (body.length < 86 + 17) return { wrong: 'too short for a header and a record' };
  const salt = body.subarray(0, 16);
  const recordSize = body.readUInt32BE(16);
  const idLength = body.readUInt8(20);
  if (idLength !== 65) return { wrong: `the key id has ${idLength} bytes, 65 are a P-256 key` };
  const sender = body.subarray(21, 86);
  const record = body.subarray(86);
  if (record.length > recordSize) return { wrong: 'more than one record' };
  try {
    const secret = curve.computeSecret(sender);
    // RFC 8291 §3.4
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), curve.getPublicKey(), sender]);
    const ikm = Buffer.from(hkdfSync('sha256', secret, auth, info, 32));
    const key = Buffer.from(hkdfSync('sha256', ikm, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16));
    const nonce = Buffer.from(hkdfSync('sha256', ikm, salt, Buffer.from('Content-Encoding: nonce\0'), 12));
    const decipher = createDecipheriv('aes-128-gcm', key, nonce);
    decipher.setAuthTag(record.subarray(-16));
    const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
    // RFC 8188 §2: the last record ends in 0x02 and zeros.
    const end = padded.lastIndexOf(2);
    if (end < 0 || padded.subarray(end + 1).some((byte) => byte !== 0))
      return { wrong: 'the padding is not that of a last record' };
    return { text: padded.subarray(0, end).toString('utf8') };
  } catch {
    return { wrong: 'cannot be decrypted with the keys of this subscription' };
  }
}
