/**
 * The table: one call a line. `dial` is the administrator's dialplan, `${M}` the phone 1001 by plain dial or through pushwake;
 * `then` is what the people do. A case is the same text for every way of calling, so that any difference is ours.
 */

/** What the people at the phones do. */
export type Act =
  | 'talk'
  | 'caller-cancels'
  | 'rings-out'
  | 'busy'
  | 'declines'
  | 'unavailable'
  | 'not-found'
  | 'error'
  | 'forwards'
  | 'callee-hangs-up'
  | 'desk-answers'
  | 'phone-refers'
  | 'caller-refers'
  | 'phone-keys'
  | 'caller-keys'
  | 'attended'
  | 'picked-up'
  | 'goes-on'
  | 'holds'
  | 'early-media'
  | 'keys-rfc4733'
  | 'parks'
  | 'clicked'
  | 'talks-as-offered'
  | 'faxes'
  | 'originated-by-cli'
  | 'originated-by-ari'
  | 'originated-by-ami';

export interface Case {
  readonly what: string;
  /** Steps of the extension; the last thing each does is to log its variables. */
  readonly dial: readonly string[];
  readonly act: Act;
  /** The endpoint that is dialled, with its settings in VARIANTS; the phone is the same. Default: 1001. */
  readonly endpoint?: keyof typeof VARIANTS;
  /** The caller's INVITE: further headers, and no SDP. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly lateOffer?: true;
  /** Only in the whole table, for `npm test` has little time. */
  readonly long?: true;
}

/** Endpoints that share the AOR of 1001: what the PBX offers to the phone depends on the endpoint that is dialled. */
export const VARIANTS = {
  sdes: ['media_encryption=sdes'],
  'sdes-optional': ['media_encryption=sdes', 'media_encryption_optimistic=yes'],
  dtls: ['media_encryption=dtls', 'dtls_auto_generate_cert=yes', 'dtls_setup=actpass'],
  webrtc: ['webrtc=yes', 'dtls_auto_generate_cert=yes'],
  ice: ['ice_support=yes'],
  video: ['allow=!all,ulaw,h264,vp8', 'max_video_streams=1'],
  codecs: ['allow=!all,g722,alaw,ulaw', 'codec_prefs_outgoing_offer=prefer: pending, operation: union, keep: all'],
  muxed: ['ice_support=yes', 'rtcp_mux=yes'],
  t38: ['t38_udptl=yes', 't38_udptl_ec=redundancy', 'fax_detect=yes'],
  rfc4733: ['dtmf_mode=rfc4733'],
  inband: ['dtmf_mode=inband'],
  auto: ['dtmf_mode=auto_info'],
  private: ['trust_id_outbound=no'],
  rpid: ['send_rpid=yes', 'send_pai=no', 'send_diversion=yes'],
  coloured: ['set_var=COLOUR=red', 'accountcode=acc9', 'language=de', 'moh_suggest=other'],
} as const;

const one = (what: string, dial: string, act: Act = 'talk', before: readonly string[] = []): Case => ({
  what,
  dial: [...before, dial],
  act,
});

/** Options of Dial that may be tried by one answered call. */
const OPTIONS: readonly (readonly [option: string, what: string])[] = [
  ['b(hdr^s^1)', 'b: a header for the phone'],
  ['b(hdr2^s^1(a^b))', 'b with arguments'],
  ['b(auto^s^1)', 'b: intercom, Call-Info answer-after=0'],
  ['B(callervar^s^1)', 'B: a subroutine at the caller'],
  ['g', 'g: go on after the phone has hung up'],
  ['m', 'm: music while it rings'],
  ['r', 'r: ringback'],
  ['R', 'R: ringback until media'],
  ['tT', 'tT: transfers'],
  ['kK', 'kK: parking'],
  ['hH', 'hH: hang-up by keys'],
  ['wW', 'wW: recording by keys'],
  ['xX', 'xX: recording by keys'],
  ['i', 'i: no forwarding'],
  ['I', 'I: no connected line'],
  ['o', 'o: the caller’s number'],
  ['O', 'O: operator'],
  ['d', 'd: one digit while it rings'],
  ['D(12)', 'D: digits after the answer'],
  ['L(60000:30000)', 'L: a limit'],
  ['S(30)', 'S: hung up after 30 s'],
  ['U(sub)', 'U: a subroutine at the phone'],
  ['f', 'f: caller id by force'],
  ['f("Front" <555>)', 'f with a number'],
  ['u(prohib)', 'u: presentation'],
  ['s(77)', 's: a tag'],
  ['c', 'c: always elsewhere'],
  ['n', 'n: no screening'],
  ['A(beep)', 'A: an announcement'],
  ['C', 'C: CDR reset'],
  ['Q(NO_ANSWER)', 'Q: the cause for losers'],
];

/** What is offered to the phone; the caller gives up then. DTLS and WebRTC our phone cannot speak. */
const OFFERED: readonly (readonly [endpoint: keyof typeof VARIANTS, what: string])[] = [
  ['sdes', 'SRTP: sdes'],
  ['sdes-optional', 'SRTP: sdes where the phone can'],
  ['dtls', 'SRTP: dtls'],
  ['webrtc', 'WebRTC'],
  ['ice', 'ICE'],
  ['video', 'video'],
  ['codecs', 'codecs'],
  ['t38', 'T.38'],
  ['inband', 'DTMF inband'],
  ['auto', 'DTMF by rfc4733 or INFO'],
];

/** What is offered and talked by. */
const ANSWERED: readonly (readonly [endpoint: keyof typeof VARIANTS, what: string])[] = [
  ['sdes', 'a talk by SRTP'],
  ['sdes-optional', 'a talk by SRTP where the phone can'],
  ['muxed', 'a talk by ICE'],
  ['video', 'a talk with video'],
];

export const CASES: readonly Case[] = [
  one('answered', `Dial(\${M},20,tT)`),
  ...OPTIONS.map(([option, what]) => one(what, `Dial(\${M},20,${option})`)),
  one('F: the phone goes on', `Dial(\${M},20,F(after^s^1))`, 'goes-on'),
  one('the phone hangs up', `Dial(\${M},20)`, 'callee-hangs-up'),
  one('the caller gives up', `Dial(\${M},20)`, 'caller-cancels'),
  one('nobody answers', `Dial(\${M},2)`, 'rings-out'),
  one('busy: 486', `Dial(\${M},20)`, 'busy'),
  one('declined: 603', `Dial(\${M},20)`, 'declines'),
  one('unavailable: 480', `Dial(\${M},20)`, 'unavailable'),
  one('not found: 404', `Dial(\${M},20)`, 'not-found'),
  one('a server’s fault: 500', `Dial(\${M},20)`, 'error'),
  one('forwarded: 302', `Dial(\${M},20)`, 'forwards'),
  one('forwarded with option i', `Dial(\${M},20,i)`, 'forwards'),
  one('a ring group with a desk phone', `Dial(\${M}&PJSIP/1002,20,tTb(hdr^s^1))`),
  one('a ring group, the desk phone answers', `Dial(PJSIP/1002&\${M},20)`, 'desk-answers'),
  one('the phone transfers (REFER)', `Dial(\${M},20)`, 'phone-refers'),
  one('the caller transfers (REFER)', `Dial(\${M},20)`, 'caller-refers'),
  one('the phone transfers by keys', `Dial(\${M},20,t)`, 'phone-keys'),
  one('the caller transfers by keys', `Dial(\${M},20,T)`, 'caller-keys'),
  one('an attended transfer by the phone', `Dial(\${M},20)`, 'attended'),
  one('picked up while it rings', `Dial(\${M},20)`, 'picked-up'),
  one('caller id withheld', `Dial(\${M},20)`, 'talk', ['Set(CALLERID(pres)=prohib)']),
  one('caller id of its own', `Dial(\${M},20)`, 'talk', ['Set(CALLERID(all)="Zoë Ä" <0301234>)']),
  one('diversion', `Dial(\${M},20)`, 'talk', ['Set(REDIRECTING(from-num)=900)', 'Set(REDIRECTING(reason)=cfu)']),
  one('an inherited variable', `Dial(\${M},20,b(hdr3^s^1))`, 'talk', ['Set(__RING=Bellcore-dr3)']),
  one('a header to inherit', `Dial(\${M},20)`, 'talk', ['Set(PJSIP_INHERITABLE_HEADER(add,X-Inherited)=yes)']),
  one('recorded by MixMonitor', `Dial(\${M},20)`, 'talk', [`MixMonitor(\${EXTEN}.wav)`]),
  one('the caller was answered before', `Dial(\${M},20,r)`, 'talk', ['Answer()']),
  one('a language and an account code', `Dial(\${M},20)`, 'talk', [
    'Set(CHANNEL(language)=en_US)',
    'Set(CHANNEL(accountcode)=acc7)',
  ]),
  one('music class', `Dial(\${M},20,m(other))`, 'talk', ['Set(CHANNEL(musicclass)=other)']),
  one('a limit for the whole call', `Dial(\${M},20)`, 'talk', ['Set(TIMEOUT(absolute)=50)']),
  one('through another extension', 'Dial(Local/inner@internal/n,20)'),
  one('FreePBX’s headers through another extension', 'Dial(Local/freepbx@internal/n,20)', 'talk', [
    'Set(__SIPH=ring7)',
  ]),
  one('a page', `Page(\${M}&PJSIP/1002,q,10)`),
  one('follow me', `FollowMe(\${F},n)`, 'talk', ['Answer()']),
  one('a conference invites', `Dial(\${M},20,G(conf^s^1))`),
  ...['ringall', 'leastrecent', 'fewestcalls', 'random', 'rrmemory', 'linear', 'wrandom', 'rrordered'].map((strategy) =>
    one(`a queue: ${strategy}`, `Queue(${strategy}-\${Q},tT,,,15)`),
  ),
  one('a queue with a header', `Queue(ringall-\${Q},b(hdr^s^1),,,15)`),
  one('a queue with ringing', `Queue(ringall-\${Q},r,,,15)`, 'talk'),
  one('a queue, nobody answers', `Queue(ringall-\${Q},,,,2)`, 'rings-out'),
  one('a queue, the phone declines', `Queue(ringall-\${Q},,,,3)`, 'busy'),
  ...OFFERED.map(([endpoint, what]): Case => ({ what, dial: [`Dial(\${M},20)`], act: 'caller-cancels', endpoint })),
  { what: 'DTMF by rfc4733', dial: [`Dial(\${M},20)`], act: 'caller-cancels', endpoint: 'rfc4733' },
  { what: 'an endpoint that is not trusted', dial: [`Dial(\${M},20)`], act: 'caller-cancels', endpoint: 'private' },
  {
    what: 'an endpoint with Remote-Party-ID and Diversion',
    dial: ['Set(REDIRECTING(from-num)=900)', `Dial(\${M},20)`],
    act: 'caller-cancels',
    endpoint: 'rpid',
  },
  {
    what: 'an endpoint with variables, account code and language',
    dial: [`Dial(\${M},20,b(colour^s^1))`],
    act: 'caller-cancels',
    endpoint: 'coloured',
  },
  {
    what: 'the caller asserts an identity',
    dial: [`Dial(\${M},20)`],
    act: 'talk',
    headers: [['P-Asserted-Identity', '"Boss" <sip:777@pbx.example>']],
  },
  {
    what: 'the caller asserts an identity and wants privacy',
    dial: [`Dial(\${M},20)`],
    act: 'talk',
    headers: [
      ['P-Asserted-Identity', '"Boss" <sip:777@pbx.example>'],
      ['Privacy', 'id'],
    ],
  },
  { what: 'a late offer', dial: [`Dial(\${M},20)`], act: 'talk', lateOffer: true },
  one('on hold, with music', `Dial(\${M},20)`, 'holds'),
  one('early media of the phone', `Dial(\${M},20)`, 'early-media'),
  one('early media in a ring group', `Dial(\${M}&PJSIP/1002,20)`, 'early-media'),
  one('parked by the phone', `Dial(\${M},20)`, 'parks'),
  one('a call limit by OUTBOUND_GROUP', `Dial(\${M},20,U(groups))`, 'talk', ['Set(OUTBOUND_GROUP=limit@calls)']),
  one('the device’s state while it talks', `Dial(\${M},20,U(states))`),
  one('originated: the phone, then another extension', `Originate(\${M},exten,internal,3000,1,10)`, 'clicked', [
    'Answer()',
  ]),
  one('originated: the phone, then an application', `Originate(\${M},app,MusicOnHold,default,,10)`, 'clicked', [
    'Answer()',
  ]),
  one('a queue with an announcement', `Queue(ringall-\${Q},,,beep,15)`),
  one('a queue with autopause', `Queue(autopause-\${Q},,,,3)`, 'rings-out', [
    `UnpauseQueueMember(autopause-\${Q},\${RING})`,
  ]),
  one('do not disturb by a device state', `Dial(\${M},20)`, 'talk', [
    `Set(DEVICE_STATE(Custom:dnd1001)=BUSY)`,
    `ExecIf($["\${DEVICE_STATE(Custom:dnd1001)}" = "BUSY"]?Log(NOTICE,SUB dnd))`,
  ]),
  // Only in the whole table.
  ...ANSWERED.map(
    ([endpoint, what]): Case => ({ what, dial: [`Dial(\${M},20)`], act: 'talks-as-offered', endpoint, long: true }),
  ),
  {
    what: 'T.38: the phone makes a fax of the talk',
    dial: [`Dial(\${M},20)`],
    act: 'faxes',
    endpoint: 't38',
    long: true,
  },
  ...(['cli', 'ari', 'ami'] as const).map(
    (by): Case => ({
      what: `originated by ${by.toUpperCase()}: the phone, then another extension`,
      dial: ['Answer()', 'Wait(4)'],
      act: `originated-by-${by}`,
      long: true,
    }),
  ),
];
