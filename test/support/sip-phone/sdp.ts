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

/** What a phone answers an offer with, beyond one G.711 stream in clear. */
export interface RichAnswer {
  readonly sdp: string;
  /** Our key and salt, where audio is to be sent by SRTP. */
  readonly srtpKey?: Buffer;
  /** Our password for connectivity checks, where the offer asks for ICE. */
  readonly icePassword?: string;
}

/** Takes what is offered: SRTP by sdes, ICE as a lite agent, the first video codec. `video`: where that is heard. */
export function richAnswer(offer: string, local: MediaAddress, video: MediaAddress, random: RandomBytes): RichAnswer {
  const [, ...medias] = offer.split(/^(?=m=)/m);
  const hasIce = /^a=ice-ufrag:/m.test(offer);
  const icePassword = hasIce ? random(12).toString('hex') : undefined;
  const srtpKey = /^a=crypto:\d+ AES_CM_128_HMAC_SHA1_80 /m.test(offer) ? random(30) : undefined;
  const ufrag = random(4).toString('hex');
  const sections = medias.map((media) => {
    const [, kind = '', proto = '', first = ''] = /^m=(\w+) \d+ (\S+) (\d+)/.exec(media) ?? [];
    const at = kind === 'audio' ? local : video;
    const payload = kind === 'audio' ? '0' : first;
    const tag = /^a=crypto:(\d+) AES_CM_128_HMAC_SHA1_80 /m.exec(media)?.[1];
    return [
      `m=${kind} ${at.port} ${proto} ${payload}`,
      ...(media.match(new RegExp(`^a=rtpmap:${payload} .*$`, 'gm')) ?? []),
      ...(tag && srtpKey ? [`a=crypto:${tag} AES_CM_128_HMAC_SHA1_80 inline:${srtpKey.toString('base64')}`] : []),
      ...(hasIce
        ? [
            `a=ice-ufrag:${ufrag}`,
            `a=ice-pwd:${icePassword}`,
            `a=candidate:1 1 UDP 2130706431 ${at.host} ${at.port} typ host`,
          ]
        : []),
      ...(/^a=rtcp-mux/m.test(media) ? ['a=rtcp-mux'] : []),
      'a=sendrecv',
    ];
  });
  const head = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', `c=IN IP4 ${local.host}`, 't=0 0'];
  return {
    sdp: [...head, ...(hasIce ? ['a=ice-lite'] : []), ...sections.flat(), ''].map((line) => line.trim()).join('\r\n'),
    ...(srtpKey && { srtpKey }),
    ...(icePassword && { icePassword }),
  };
}

export type RandomBytes = (count: number) => Buffer;
