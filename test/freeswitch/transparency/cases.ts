/**
 * The table: one call a line. `ring` is what the administrator's `bridge` dials; through pushwake the same is dialled by
 * `execute_extension`. `before` is what the dialplan does until then, `act` what the people do. A case is the same text for every way of
 * calling, so that any difference is ours. `1001` is the phone that may sleep, `1002` a desk phone, `3000` somebody else; `1010` to
 * `1019` are users whose directory entry is the case. `{W}` stands for the letter of the way of calling (services.ts).
 */
import { REALM } from '../../support/pbx-scene.ts';

/** What the people at the phones do. `nobody`: the phone must not ring. */
export type Act =
  | 'talk'
  | 'caller-cancels'
  | 'rings-out'
  | 'busy'
  | 'declines'
  | 'declines-ringing'
  | 'unavailable'
  | 'not-found'
  | 'error'
  | 'callee-hangs-up'
  | 'desk-answers'
  | 'third-answers'
  | 'phone-refers'
  | 'caller-refers'
  | 'attended'
  | 'early-media'
  | 'hears-ringback'
  | 'holds'
  | 'caller-holds'
  | 'picked-up'
  | 'picked-up-group'
  | 'caller-leaves'
  | 'parks'
  | 'caller-parks'
  | 'clicked'
  | 'click-first'
  | 'keys'
  | 'nobody';

export interface Case {
  readonly what: string;
  /** Default `user/1001@…`. */
  readonly ring: string;
  readonly before: readonly (readonly [application: string, data: string])[];
  readonly act: Act;
  /** The account of the case. */
  readonly user: string;
  /** What FreeSWITCH's directory says of `user`. */
  readonly dialString?: string;
  readonly alias?: string;
  /** Headers of the caller's INVITE. */
  readonly headers?: readonly (readonly [string, string])[];
  /** Applications in place of the bridge: a queue, a fifo. */
  readonly instead?: readonly (readonly [application: string, data: string])[];
  /** Nobody calls: FreeSWITCH is given this command. `{N}` is the number of the case. */
  readonly click?: string;
}

export const user = (id: string): string => `user/${id}@${REALM}`;
/** The dial string of vanilla's directory, without verto. */
const PHONES = `{^^:sip_invite_domain=\${dialed_domain}:presence_id=\${dialed_user}@\${dialed_domain}}\${sofia_contact(*/\${dialed_user}@\${dialed_domain})}`;

const one = (what: string, o: Partial<Case> = {}): Case => ({
  what,
  ring: user(o.user ?? '1001'),
  before: [],
  act: 'talk',
  user: '1001',
  ...o,
});
const set = (what: string, data: string, act: Act = 'talk', more: Partial<Case> = {}): Case =>
  one(what, { before: [['set', data]], act, ...more });
const exported = (what: string, data: string, act: Act = 'talk'): Case =>
  one(what, { before: [['export', data]], act });

const TONE = '%(200,100,440)';

export const CASES: readonly Case[] = [
  one('answered'),
  one('the phone hangs up', { act: 'callee-hangs-up' }),
  one('the caller gives up', { act: 'caller-cancels' }),
  set('nobody answers: call_timeout', 'call_timeout=2', 'rings-out'),
  one('nobody answers: leg_timeout', { ring: `{leg_timeout=2}${user('1001')}`, act: 'rings-out' }),
  one('nobody answers: originate_timeout', { ring: `{originate_timeout=2}${user('1001')}`, act: 'rings-out' }),
  one('busy: 486', { act: 'busy' }),
  one('declined: 603', { act: 'declines' }),
  one('unavailable: 480', { act: 'unavailable' }),
  one('not found: 404', { act: 'not-found' }),
  one('a server’s fault: 500', { act: 'error' }),
  set('busy without continue_on_fail', 'continue_on_fail=false', 'busy'),
  set('busy with continue_on_fail=USER_BUSY', 'continue_on_fail=USER_BUSY', 'busy'),
  set('declined with continue_on_fail=USER_BUSY', 'continue_on_fail=USER_BUSY', 'declines'),
  set('the dialplan goes on after the talk', 'hangup_after_bridge=false', 'callee-hangs-up'),
  // Security first: a phone that is to be rung by SRTP is never offered clear RTP.
  exported('SRTP is a must, exported', 'nolocal:rtp_secure_media=mandatory', 'caller-cancels'),
  exported('SRTP if the phone can, exported', 'nolocal:rtp_secure_media=optional', 'caller-cancels'),
  one('SRTP is a must, in the dialplan’s dial string', {
    ring: `{rtp_secure_media=mandatory}${user('1001')}`,
    act: 'caller-cancels',
  }),
  one('SRTP is a must, for one leg', { ring: `[rtp_secure_media=mandatory]${user('1001')}`, act: 'caller-cancels' }),
  one('SRTP is a must, in the directory', {
    user: '1010',
    dialString: `{rtp_secure_media=mandatory}\${sofia_contact(*/\${dialed_user}@\${dialed_domain})}`,
    act: 'caller-cancels',
  }),
  exported('a header: Alert-Info', 'nolocal:sip_h_Alert-Info=<http://ring.example>;info=ring2'),
  exported('a header with commas and blanks', 'nolocal:sip_h_X-Words=one, two, three'),
  exported('a variable of its own', 'nolocal:own_word=hello'),
  exported('a variable for both', 'both_word=hello there'),
  exported('a caller id of its own', 'nolocal:origination_caller_id_name=Front Desk'),
  exported('recorded at the answer', 'nolocal:execute_on_answer=set recorded_as=one'),
  set('the caller is recorded', 'RECORD_TITLE=a title'),
  set('effective caller id', 'effective_caller_id_name=Zoe'),
  one('the caller’s own X- headers', { headers: [['X-Account', 'a,b c']] }),
  set('the caller’s own X- headers are kept back', 'sip_copy_custom_headers=false', 'talk', {
    headers: [['X-Account', '7']],
  }),
  one('privacy by the dialplan', { before: [['privacy', 'full']] }),
  one('privacy by the caller’s phone', { headers: [['Privacy', 'id']] }),
  set('sip_cid_type=pid', 'sip_cid_type=pid'),
  set('media by another way: bypass_media', 'bypass_media=true'),
  set('proxy_media', 'proxy_media=true'),
  set('media by another way, once it is answered: bypass_media_after_bridge', 'bypass_media_after_bridge=true'),
  set('inherit_codec', 'inherit_codec=true'),
  set('absolute_codec_string', 'absolute_codec_string=PCMA'),
  exported('absolute_codec_string of the leg', 'nolocal:absolute_codec_string=PCMA', 'caller-cancels'),
  set('ignore_early_media', 'ignore_early_media=true', 'early-media'),
  one('early media of the phone', { act: 'early-media' }),
  set('ringback of the dialplan', `ringback=${TONE}`, 'hears-ringback'),
  one('the caller was answered before, and hears transfer_ringback', {
    before: [
      ['answer', ''],
      ['set', `transfer_ringback=${TONE}`],
    ],
    act: 'hears-ringback',
  }),
  one('the caller was answered before', { before: [['answer', '']] }),
  set('instant_ringback', 'instant_ringback=true'),
  one('a desk phone beside', { ring: `${user('1001')},${user('1002')}` }),
  one('a desk phone beside answers', { ring: `${user('1001')},${user('1002')}`, act: 'desk-answers' }),
  one('a desk phone before', { ring: `${user('1002')},${user('1001')}`, act: 'desk-answers' }),
  one('one after the other', { ring: `${user('1001')}|${user('1002')}`, act: 'declines' }),
  set('fail_on_single_reject: the phone declines', 'fail_on_single_reject=true', 'declines-ringing', {
    ring: `${user('1001')},${user('1002')}`,
  }),
  set('fail_on_single_reject: a list', 'fail_on_single_reject=USER_BUSY,CALL_REJECTED', 'declines-ringing', {
    ring: `${user('1001')},${user('1002')}`,
  }),
  one('a variable for one leg', { ring: `[sip_h_X-Leg=7]${user('1001')},${user('1002')}` }),
  one('do not disturb, in the directory', { user: '1011', dialString: 'error/user_busy', act: 'nobody' }),
  one('a forward, in the directory', { user: '1012', dialString: 'loopback/7777/default', act: 'third-answers' }),
  one('a further leg, in the directory', {
    user: '1013',
    dialString: `${PHONES},${user('3000')}`,
    act: 'third-answers',
  }),
  one('a further leg, in the directory, and the phone answers', { user: '1013', ring: user('1013') }),
  one('a further attempt, in the directory', {
    user: '1014',
    dialString: `${PHONES}|${user('3000')}`,
    act: 'declines',
  }),
  one('verto beside, in the directory', { user: '1015', dialString: `${PHONES},error/user_not_registered` }),
  one('a caller id, in the directory', {
    user: '1016',
    dialString: `{origination_caller_id_name=Line \${dialed_user}}${PHONES}`,
  }),
  one('a number-alias', { user: '1017', alias: '8017', ring: user('8017') }),
  one('group_confirm: a key', {
    before: [
      ['set', 'group_confirm_key=5'],
      ['set', `group_confirm_file=tone_stream://${TONE};loops=5`],
    ],
    act: 'keys',
  }),
  one('the phone transfers (REFER)', { act: 'phone-refers' }),
  one('the caller transfers (REFER)', { act: 'caller-refers' }),
  one('an attended transfer by the phone', { act: 'attended' }),
  one('the phone holds, and takes back', { act: 'holds' }),
  one('the caller holds, and takes back', { act: 'caller-holds' }),
  one('picked up by a colleague: intercept', { before: [['hash', `insert/pickup/{W}/\${uuid}`]], act: 'picked-up' }),
  one('picked up by a colleague: pickup', { ring: `${user('1001')},pickup/sales{W}`, act: 'picked-up-group' }),
  one('the phone parks the caller (valet)', { act: 'parks' }),
  one('the caller parks the phone (valet)', { act: 'caller-parks' }),
  one('click to dial: the caller’s phone first', {
    click: `originate {origination_caller_id_number=2000}${user('2000')} {N} XML default`,
    act: 'clicked',
  }),
  one('click to dial: the phone first', {
    click: 'originate {origination_caller_id_number=2000}loopback/agent{W}/default aside{W} XML default',
    act: 'click-first',
  }),
  one('an enterprise dial string', { ring: `${user('1001')}:_:${user('1002')}` }),
  one('an enterprise dial string, the other answers', {
    ring: `${user('1002')}:_:[sip_h_X-Leg=7]${user('1001')}`,
    act: 'desk-answers',
  }),
  one('an enterprise dial string with variables', {
    ring: `<sip_h_X-All=1>{sip_h_X-One=2}${user('1001')}:_:${user('1002')}|${user('3000')}`,
  }),
  one('a call center', { instead: [['callcenter', 'queue{W}']] }),
  one('a call center, the caller gives up', { instead: [['callcenter', 'queue{W}']], act: 'caller-leaves' }),
  one('a fifo', { instead: [['fifo', 'fifo{W} in undef silence']] }),
  one('through another extension', { instead: [['transfer', 'inner{W} XML default']] }),
  one('through loopback', { instead: [['bridge', 'loopback/inner{W}/default']] }),
  set('process_cdr=b_only', 'process_cdr=b_only'),
  set('a limit for the whole call', 'execute_on_answer=sched_hangup +30 alloted_timeout'),
  exported('execute_on_ring of the leg', 'nolocal:execute_on_ring=set rang_once=yes'),
  exported('presence data', 'nolocal:presence_data=desk'),
];
