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
  | 'goes-on';

export interface Case {
  readonly what: string;
  /** Steps of the extension; the last thing each does is to log its variables. */
  readonly dial: readonly string[];
  readonly act: Act;
}

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
];
