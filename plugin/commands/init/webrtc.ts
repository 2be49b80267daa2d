/**
 * What a phone in the browser needs of the PBX (docs/browser-phone.md). A plain Asterisk gets our snippet, included at the beginning of pjsip.conf.
 * The others have it in pages or in profiles of their own: there it is said what to write, and where.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../manifest.ts';
import { type Plan, settingOf, textOf, whole, withFirstLine } from './plan.ts';

const SNIPPET = 'pushwake-webrtc.conf';
const TEMPLATE = 'pushwake-webrtc';
const PROFILE = join('sip_profiles', 'internal.xml');
const GUIDE = 'docs/browser-phone.md';

export const hasWebrtc = (folder: string): boolean => existsSync(join(folder, SNIPPET));

export function planWebrtc(folder: string, isFreePbx: boolean): Plan {
  if (isFreePbx) return { files: [], notes: FREEPBX, reload: [] };
  const pjsip = join(folder, 'pjsip.conf');
  const text = readFileSync(join(PACKAGE_ROOT, 'config', 'asterisk', SNIPPET), 'utf8');
  return {
    files: [whole(join(folder, SNIPPET), text, 0o644, pjsip), withFirstLine(pjsip, `#include "${SNIPPET}"`)],
    notes: [
      'pjsip.conf: an endpoint that a browser registers with is [1001](pushwake-webrtc); one that has a template already gets its lines, webrtc = yes, allow = !all,opus,ulaw,alaw and rtp_timeout = 60.',
      certificateNote(folder),
    ],
    reload: ['asterisk -rx "core restart now"   # when no call is up: transports are read at the start alone'],
  };
}

/** After `--undo`: Asterisk refuses the whole of a file in which a section asks for a template that is not there. */
export function stillFromTemplate(folder: string): string[] {
  const text = textOf(join(folder, 'pjsip.conf')) ?? '';
  const of = [...text.matchAll(/^\s*\[([^\]]+)\]\(([^)]*)\)/gm)];
  const names = of.flatMap(([, name, from]) => (from?.split(',').some((t) => t.trim() === TEMPLATE) ? [name] : []));
  return names.length === 0
    ? []
    : [
        `pjsip.conf: ${names.join(', ')} still names the template ${TEMPLATE}, and Asterisk refuses the whole file without it: take (${TEMPLATE}) out before the next reload.`,
      ];
}

/** A browser takes the microphone and `wss` by a certificate of a known authority alone. */
function certificateNote(folder: string): string {
  const http = textOf(join(folder, 'http.conf'));
  const of = (key: string) => settingOf(http, 'general', key);
  return /^(yes|true|1|on|y|t)$/i.test(of('tlsenable') ?? '') && of('tlscertfile') !== undefined
    ? `http.conf has wss already, at ${of('tlsbindaddr') ?? 'the tlsbindaddr'}: its certificate must be of an authority that browsers know, and for the name in wss://…/ws.`
    : `A browser needs a certificate: a reverse proxy has it (${GUIDE} shows one), or http.conf, with tlsenable = yes, tlsbindaddr = 0.0.0.0:8089, tlscertfile and tlsprivatekey.`;
}

const FREEPBX: readonly string[] = [
  'FreePBX has WebRTC in its pages: Settings, Asterisk SIP Settings, "wss" on (behind a reverse proxy "ws"); Advanced Settings, TLS of the mini-HTTP server and its certificate, which Certificate Manager makes.',
  'FreePBX, the extension, Advanced: "Enable WebRTC defaults", AVPF, ICE and RTCP mux Yes, Media Encryption DTLS-SRTP, DTLS enabled with a certificate; codecs with opus, ulaw or alaw. Then `fwconsole restart`: transports are read at the start alone.',
];

const NO_OPUS = 'Browsers speak OPUS (mod_opus), PCMU and PCMA: one of them must be in the codec prefs of the profile.';
const OWN_PEM =
  'Browsers refuse the wss.pem that FreeSWITCH makes by itself: put key and certificate with its chain, of a known authority, into one file';

/** FreeSWITCH's own example has both bindings; its profile belongs to the site, and is not changed. */
export function webrtcNotes(folder: string): string[] {
  const file = join(folder, PROFILE);
  const lines = (textOf(file) ?? '').replace(/<!--[\s\S]*?-->/g, '');
  const paramOf = (name: string) => new RegExp(`<param\\s+name="${name}"\\s+value="([^"]*)"`).exec(lines)?.[1];
  const missing = LINES.filter(([name]) => paramOf(name) === undefined);
  const there = LINES.flatMap(([name]) => (paramOf(name) === undefined ? [] : [`${name} ${paramOf(name)}`]));
  return [
    ...(there.length > 0 ? [`${file} has ${there.join(', ')}.`] : []),
    ...(missing.length > 0
      ? [
          `${file}, in <settings>, for browsers: ${missing.map(([name, value, why]) => `<param name="${name}" value="${value}"/> (${why})`).join(', ')}. Then fs_cli -x "sofia profile internal restart", when no call is up.`,
        ]
      : []),
    `${OWN_PEM}, wss.pem in the tls-cert-dir of the profile; or let a reverse proxy have it (${GUIDE}), and lead it to ws-binding.`,
    NO_OPUS,
  ];
}

const LINES = [
  ['wss-binding', ':7443', 'with a certificate'],
  ['ws-binding', '127.0.0.1:5066', 'behind a reverse proxy on this machine'],
  ['apply-candidate-acl', 'any_v4.auto', 'else a browser in a private network is refused with 488'],
] as const;

export const FUSIONPBX_WEBRTC: readonly string[] = [
  `Browsers: Advanced, SIP Profiles, internal: ${LINES.map(([name, value, why]) => `${name} ${value} (${why})`).join(', ')}, each enabled. Then restart the profile under Status, SIP Status, when no call is up.`,
  `${OWN_PEM}, wss.pem in the tls-cert-dir of the profile (/etc/freeswitch/tls); or let a reverse proxy have it (${GUIDE}), and lead it to ws-binding.`,
  NO_OPUS,
];
