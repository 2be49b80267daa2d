/** The little SDP a phone with one G.711 stream needs (RFC 4566, RFC 3264). */

export interface MediaAddress {
  readonly host: string;
  readonly port: number;
}

export function writeSdp(local: MediaAddress, version: number): string {
  return [
    'v=0',
    `o=- 1 ${version} IN IP4 ${local.host}`,
    's=-',
    `c=IN IP4 ${local.host}`,
    't=0 0',
    `m=audio ${local.port} RTP/AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    'a=ptime:20',
    'a=sendrecv',
    '',
  ].join('\r\n');
}

/** Where the other side wants its audio; undefined when the text offers none. */
export function readSdp(sdp: string): MediaAddress | undefined {
  const media = /^m=audio (\d+) /m.exec(sdp);
  const host = /^c=IN IP4 (\S+)/m.exec(sdp)?.[1];
  const port = Number(media?.[1] ?? 0);
  return host && port > 0 ? { host, port } : undefined;
}
