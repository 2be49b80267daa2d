/** The FreeSWITCH on which the table is run: its dialplan and accounts, and one call recorded as text. */
import { setTimeout as delay } from 'node:timers/promises';
import type { SipUser } from '../../support/asterisk/config.ts';
import type { EslClient, EslHeaders } from '../../support/freeswitch/index.ts';
import { FreeswitchScene } from '../../support/freeswitch-scene.ts';
import { REALM } from '../../support/pbx-scene.ts';
import type { IncomingCall, OutgoingCall, SipPhone } from '../../support/sip-phone/index.ts';
import { type Act, CASES, type Case, user } from './cases.ts';
import { headers, normal, sdp, unique, variables } from './normal.ts';
import { channels, play, playClicked } from './play.ts';
import { CONFIGURATIONS, MODULES, SIDE_EXTENSIONS } from './services.ts';

/** How the account is rung: by a plain `bridge`, or through pushwake. */
export type Way = 'plain' | 'through';

/** Everything that was seen of one call, by place: the same keys for every way of calling. */
export type Seen = Readonly<Record<string, string>>;

const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const action = (application: string, data = '') => `<action application="${application}" data="${escaped(data)}"/>`;
const extension = (number: string, actions: readonly string[]) =>
  `<extension name="x"><condition field="destination_number" expression="^${number}$">\n${actions.join('\n')}\n</condition></extension>`;

const accountOf = ({ user: id, alias }: Case) => `${alias ?? id}@${REALM}`;

function dialled(c: Case, way: Way): string[] {
  const ring = c.ring.replaceAll('{W}', letter(way));
  if (way === 'plain') return [action('bridge', ring)];
  const whole = ring === `user/${accountOf(c)}` ? [] : [action('set', `pushwake_plain=${ring}`)];
  return [...whole, action('execute_extension', `${accountOf(c)} XML pushwake`)];
}

const letter = (way: Way) => (way === 'plain' ? 'p' : 't');

function extensionsOf(c: Case, i: number): string[] {
  return (['plain', 'through'] as const).map((way) =>
    extension(`${letter(way)}${i}`, [
      action('set', 'hangup_after_bridge=true'),
      action('set', 'continue_on_fail=true'),
      action('set', 'call_timeout=20'),
      ...c.before.map(([application, data]) => action(application, data.replaceAll('{W}', letter(way)))),
      ...(c.instead?.map(([application, data]) => action(application, data.replaceAll('{W}', letter(way)))) ??
        dialled(c, way)),
      action('log', 'NOTICE NEXT ${destination_number} ${originate_disposition} ${bridge_hangup_cause}'),
      action('hangup', '${originate_disposition}'),
    ]),
  );
}

const plainCase = CASES[0] as Case;
const DIALPLAN = [
  ...CASES.flatMap(extensionsOf),
  ...(['plain', 'through'] as const).flatMap((way) =>
    Object.entries(SIDE_EXTENSIONS).map(([name, actions]) =>
      extension(
        `${name}${letter(way)}`,
        actions.map(([application, data]) => action(application, data.replaceAll('{W}', letter(way)))),
      ),
    ),
  ),
  ...(['plain', 'through'] as const).flatMap((way) => [
    extension(`inner${letter(way)}`, dialled(plainCase, way)),
    // A leg of loopback offers the codec of loopback alone (L16), unless the global variable says otherwise, as it does in vanilla.
    extension(`agent${letter(way)}`, [
      action('export', 'nolocal:media_mix_inbound_outbound_codecs=true'),
      ...dialled(plainCase, way),
    ]),
  ]),
  extension('(?:3000|7777)', [action('set', 'hangup_after_bridge=true'), action('bridge', user('3000'))]),
].join('\n');

/** Accounts of which a phone exists. */
export const PHONES: readonly string[] = unique(['1001', ...CASES.map((c) => c.user)]);

export async function startBench(): Promise<FreeswitchScene> {
  const users: SipUser[] = [
    ...PHONES.map((id) => ({ id })),
    { id: '1002' },
    { id: '3000' },
    { id: '2000', callerId: 'The Caller <2000>' },
  ];
  const entries = CASES.filter((c) => c.dialString !== undefined || c.alias !== undefined);
  return FreeswitchScene.start({
    users,
    extensions: DIALPLAN,
    modules: MODULES,
    configurations: CONFIGURATIONS,
    accounts: Object.fromEntries(
      entries.map(({ user: id, dialString, alias }) => [
        id,
        { ...(dialString === undefined ? {} : { dialString }), ...(alias === undefined ? {} : { alias }) },
      ]),
    ),
    directory: Object.fromEntries(
      PHONES.map((id) => [id, { accountcode: `acc-${id}`, own_of_user: `of ${id}`, toll_allow: 'local' }]),
    ),
  });
}

export interface People {
  readonly caller: SipPhone;
  readonly phones: ReadonlyMap<string, SipPhone>;
  readonly desk: SipPhone;
  readonly third: SipPhone;
}

/** What FreeSWITCH says of each channel at its end: a CDR is made of it. */
export class Ends {
  readonly #all: EslHeaders[] = [];
  readonly esl: EslClient;

  private constructor(esl: EslClient) {
    this.esl = esl;
    esl.onEvent = (event) => {
      if (event['Event-Name'] === 'CHANNEL_HANGUP_COMPLETE') this.#all.push(event);
    };
  }

  static async of(scene: FreeswitchScene): Promise<Ends> {
    const ends = new Ends(await scene.freeswitch.esl());
    await ends.esl.command('event json CHANNEL_HANGUP_COMPLETE');
    return ends;
  }

  /** What has come; after `whole`, once the caller's own end has. */
  async take(whole: boolean): Promise<readonly EslHeaders[]> {
    for (let i = 0; whole && i < 40 && !this.#all.some((e) => e['Call-Direction'] === 'inbound'); i++) await delay(50);
    return this.#all.splice(0);
  }
}

/** Somebody else takes a call as soon as it comes. */
const THIRD_ANSWERS: ReadonlySet<Act> = new Set<Act>(['third-answers', 'attended', 'click-first']);

const STATUS: Partial<Record<Act, number>> = {
  busy: 486,
  declines: 603,
  unavailable: 480,
  'not-found': 404,
  error: 500,
};

/** Places one call and answers with what was seen of it everywhere. */
export async function record(
  scene: FreeswitchScene,
  people: People,
  ends: Ends,
  index: number,
  way: Way,
): Promise<Seen> {
  const c = CASES[index] as Case;
  const { act } = c;
  const { freeswitch } = scene;
  const phone = people.phones.get(c.user) as SipPhone;
  const { desk, third, caller } = people;
  const all = [phone, desk, third, caller];
  await ends.take(false);
  const from = freeswitch.logText().length;
  const had = new Map(all.map((p) => [p, p.incoming.length]));
  const newAt = (p: SipPhone): readonly IncomingCall[] => p.incoming.slice(had.get(p));
  const rung = (p: SipPhone) => p.waitFor(() => newAt(p)[0], 8_000, `a call at ${p.name}`);
  phone.answer = act in STATUS ? { kind: 'reject', code: STATUS[act] as number } : { kind: 'ring' };
  if (act === 'early-media') phone.answer = { kind: 'silent' };
  third.answer = THIRD_ANSWERS.has(act) || act.endsWith('refers') ? { kind: 'auto' } : { kind: 'ring' };
  desk.answer = { kind: 'ring' };
  const seen: Record<string, string> = {};
  // What the people could not do is a difference like any other.
  const failed = (error: unknown) => {
    seen['what went wrong'] = normal(String(error).split('\n')[0] as string);
  };
  let call: OutgoingCall | undefined;
  if (c.click === undefined) {
    call = await caller.call(`${letter(way)}${index}`, { headers: c.headers ?? [] });
    await play(scene, people, phone, act, { call, letter: letter(way), rung, newAt, seen }).catch(failed);
    if (call.state === 'answered') await call.hangup();
    else if (!call.isOver) call.cancel();
    await call.done.catch(() => undefined);
  } else {
    await freeswitch.cli(`bgapi ${c.click.replaceAll('{W}', letter(way)).replaceAll('{N}', `${letter(way)}${index}`)}`);
    await playClicked(scene, people, phone, act, { rung, seen }).catch(failed);
  }
  for (const p of all)
    for (const one of p.calls) if (one.state === 'answered') await one.hangup().catch(() => undefined);
  await freeswitch.waitForNoChannels(6_000).catch(async () => {
    seen['channels are left'] = await channels(scene);
    await freeswitch.cli('hupall');
    await delay(300);
  });
  await delay(60);
  const log = freeswitch.logText().slice(from);
  for (const p of all) {
    newAt(p).forEach((one, n) => {
      const key = `${p === phone ? 'the phone' : p.name}${n ? `#${n + 1}` : ''}`;
      Object.assign(seen, headers(`INVITE at ${key}`, one.invites[0]?.message.headers.lines() ?? []));
      // Rung when the call was answered elsewhere already, it is offered what that one talks.
      if (act !== 'third-answers') seen[`SDP at ${key}`] = sdp(one.invites[0]?.message.body ?? '');
      seen[`end at ${key}`] = `${one.state} ${unique(one.cancelReasons).join(' ')}`;
    });
  }
  if (call) Object.assign(seen, atTheCaller(call));
  seen['the dialplan goes on'] = [...log.matchAll(/NEXT [pt]\d+ ([^\n]*)/g)]
    .map((m) => normal(m[1] as string))
    .join('; ');
  seen['errors in the log'] = unique(
    [...log.matchAll(/\[(?:ERR|CRIT)\] \S+ ([^\n]*)/g)].map((m) => normal(m[1] as string)),
  ).join('; ');
  for (const event of await ends.take(call !== undefined)) {
    const name = normal(event['Channel-Name'] ?? '');
    if (!name.startsWith('sofia/')) continue;
    const isCaller = event['Call-Direction'] === 'inbound' && name.includes('2000@');
    const to = /sofia\/internal\/(?:sip:)?([^@]+)@/.exec(name)?.[1];
    const callee = to === c.user ? 'the phone' : `${to}`;
    const key = isCaller ? 'the caller' : event['Call-Direction'] === 'inbound' ? `${callee} as a caller` : callee;
    if (seen[`cause of ${key}`] !== undefined) continue;
    seen[`cause of ${key}`] = event['Hangup-Cause'] ?? '';
    seen[`CDR of ${key}`] = cdr(event);
    for (const [variable, value] of variables(event)) seen[`variable of ${key}: ${variable}`] = value;
  }
  return seen;
}

function atTheCaller({ progress, final }: OutgoingCall): Record<string, string> {
  const answers = [...progress, ...(final ? [final] : [])];
  // Who the caller is shown counts once it talks; by then a refusal has been answered with what was known at that moment.
  const talked = final !== undefined && final.status < 300;
  const lines = final?.message.headers.lines().filter(([name]) => talked || name !== 'Remote-Party-ID') ?? [];
  return {
    'caller gets': unique(answers.map((a) => `${a.status}${a.message.body ? '+sdp' : ''}`))
      .filter((s) => s !== '100')
      .join(' '),
    ...headers('answer at the caller', lines),
    'SDP at the caller': sdp(final?.message.body ?? ''),
  };
}

/** What the CDR modules write: who called whom, as whom, for whose account; whether it was paid for. */
function cdr(event: EslHeaders): string {
  const paid = Number(event.variable_billmsec ?? 0) > 0 ? 'talked' : 'no talk';
  const fields = ['Caller-Caller-ID-Name', 'Caller-Caller-ID-Number', 'Caller-Destination-Number', 'Caller-Context'];
  return normal([...fields.map((f) => event[f] ?? ''), event.variable_accountcode ?? '', paid].join('|'));
}
