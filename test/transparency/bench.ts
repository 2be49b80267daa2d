/** The PBX on which the table is run: its dialplan, queues and accounts, and one call recorded as text. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freeUdpPort, Scene } from '../support/scene.ts';
import type { IncomingCall, OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { type Act, CASES, type Case, VARIANTS } from './cases.ts';
import { cdrRows, headers, normal, sdp, unique } from './normal.ts';

/** How the phone 1001 is rung. `visit`: the caller's own channel asks what to dial. */
export type Way = 'plain' | 'local' | 'visit';

/** Everything that was seen of one call, by place: the same keys for every way of calling. */
export type Seen = Readonly<Record<string, string>>;

const STRATEGIES = ['ringall', 'leastrecent', 'fewestcalls', 'random', 'rrmemory', 'linear', 'wrandom', 'rrordered'];

const caseLines = ({ dial, endpoint }: Case, i: number): string =>
  [
    `exten => c${i},1,ExecIf($["\${WAY}" = "visit"]?Gosub(pushwake-dial,${endpoint ?? '1001'},1))`,
    `Set(M=\${STRREPLACE(RING,1001,${endpoint ?? '1001'})})`,
    `ExecIf($["\${WAY}" = "visit"]?Set(M=\${PUSHWAKE_DIAL}))`,
    ...dial,
    `Log(NOTICE,NEXT \${EXTEN} \${DIALSTATUS})`,
    `Hangup(\${HANGUPCAUSE})`,
  ].join('\n same => n,');

const DIALPLAN = `[globals]
WAY=plain
RING=PJSIP/1001
Q=plain
F=plain
[internal]
exten => 1001,hint,PJSIP/1001&Stasis:pushwake-1001
exten => 3000,1,Dial(PJSIP/3000,20)
 same => n,Hangup(\${HANGUPCAUSE})
exten => inner,1,Dial(\${RING},20)
 same => n,Hangup(\${HANGUPCAUSE})
exten => freepbx,1,Dial(\${RING},20,b(func-apply-sipheaders^s^1))
 same => n,Hangup(\${HANGUPCAUSE})
exten => 700,1,Park()
exten => _70X,1,ParkedCall(default,\${EXTEN})
exten => *8,1,Pickup()
 same => n,Hangup()
${CASES.map(caseLines).join('\n')}
exten => h,1,Log(NOTICE,VARS \${DIALSTATUS}|\${HANGUPCAUSE}|\${DIALEDPEERNAME}|\${DIALEDPEERNUMBER}|\${QUEUESTATUS}|\${MEMBERNAME}|\${CALLERVAR}|\${GOSUB_RESULT}|\${PAGESTATUS}|)

[hdr]
exten => s,1,Set(PJSIP_HEADER(add,Alert-Info)=<http://ring/intercom>)
 same => n,Return()
[func-apply-sipheaders]
exten => s,1,ExecIf($["\${SIPH}" != ""]?Set(PJSIP_HEADER(add,Alert-Info)=\${SIPH}))
 same => n,Return()
[hdr2]
exten => s,1,Set(PJSIP_HEADER(add,X-Args)=\${ARG1}-\${ARG2})
 same => n,Return()
[hdr3]
exten => s,1,Set(PJSIP_HEADER(add,Alert-Info)=\${RING})
 same => n,Return()
[auto]
exten => s,1,Set(PJSIP_HEADER(add,Call-Info)=<sip:pbx>\\;answer-after=0)
 same => n,Return()
[callervar]
exten => s,1,Set(CALLERVAR=set)
 same => n,Return()
[sub]
exten => s,1,Log(NOTICE,SUB \${CHANNEL(name):0:10})
 same => n,Return()
[groups]
exten => s,1,Log(NOTICE,SUB \${GROUP_COUNT(limit@calls)})
 same => n,Return()
[states]
; The snapshot of a channel that was just answered reaches Asterisk's device states a moment later.
exten => s,1,Wait(0.5)
 same => n,Log(NOTICE,SUB \${DEVICE_STATE(PJSIP/1001)} \${EXTENSION_STATE(1001@internal)})
 same => n,Return()
[colour]
exten => s,1,Set(PJSIP_HEADER(add,X-Colour)=\${COLOUR} \${CHANNEL(accountcode)} \${CHANNEL(language)})
 same => n,Return()
[after]
exten => s,1,Log(NOTICE,AFTER \${CHANNEL(name):0:10})
 same => n,Hangup()
[conf]
exten => s,1,ConfBridge(77)
 same => n,ConfBridge(77)
 same => n,Hangup()
`;

const QUEUES = STRATEGIES.flatMap((strategy) =>
  ['plain', 'local'].map(
    (way) => `[${strategy}-${way}]
strategy=${strategy}
timeout=12
ringinuse=no
member => ${way === 'plain' ? 'PJSIP/1001,0,Anna,PJSIP/1001' : 'Local/1001@pushwake/n,0,Anna,hint:1001@internal'}
`,
  ),
)
  .concat(
    ['plain', 'local'].map(
      (way) => `[autopause-${way}]
strategy=ringall
timeout=2
autopause=yes
member => ${way === 'plain' ? 'PJSIP/1001,0,Anna,PJSIP/1001' : 'Local/1001@pushwake/n,0,Anna,hint:1001@internal'}
`,
    ),
  )
  .join('');

const CEL = 'cel.conf';
const AMI = { user: 'dialler', secret: 'the-secret-of-ami' };

/** Asterisk 16 refuses an endpoint with an option that it does not know. */
const SINCE_18 = /^codec_prefs_/;

export async function startBench(name: string): Promise<Scene> {
  const lines = ['dtmf_mode=info', 'device_state_busy_at=1', 'allow_transfer=yes', 'trust_id_inbound=yes'];
  return Scene.start({
    name,
    hep: true,
    users: [
      ...['1001', '1002', '2000', '3000'].map((id) => ({
        id,
        callerId: `Name ${id} <${id}>`,
        rewriteContact: true,
        endpointLines: id === '2000' ? [...lines, 't38_udptl=yes', 't38_udptl_ec=redundancy'] : lines,
      })),
      ...Object.entries(VARIANTS).map(([id, variant]) => ({
        id,
        callerId: 'Name 1001 <1001>',
        aors: ['1001'],
        rewriteContact: true,
        endpointLines: [
          ...lines.filter((line) => !line.startsWith('dtmf_mode') || !variant.join().includes('dtmf_mode')),
          ...variant.filter((line) => process.env.PUSHWAKE_ASTERISK !== '16' || !SINCE_18.test(line)),
        ],
      })),
    ],
    extensions: DIALPLAN,
    queues: QUEUES,
    modules: ['app_page', 'app_confbridge', 'app_followme', 'res_parking', 'cel_custom'],
    extra: {
      [CEL]: '[general]\nenable=yes\napps=dial,queue\nevents=ALL\n',
      'cel_custom.conf': `[mappings]\nMaster.csv => \${CSV_QUOTE(\${eventtype})},\${CSV_QUOTE(\${CHANNEL})}\n`,
      'manager.conf': `[general]\nenabled=yes\nwebenabled=yes\nbindaddr=127.0.0.1\nport=${await freeUdpPort()}\n[${AMI.user}]\nsecret=${AMI.secret}\nread=all\nwrite=all\n`,
      'confbridge.conf': '[general]\n',
      'res_parking.conf': '[general]\n[default]\nparkext => 700\nparkpos => 701-720\ncontext => parkedcalls\n',
      'followme.conf': ['plain', 'local'].map((way) => `[${way}]\ncontext=internal\nnumber=>inner,10\n`).join(''),
      'queuerules.conf': '',
    },
  });
}

export interface People {
  readonly caller: SipPhone;
  readonly phone: SipPhone;
  readonly desk: SipPhone;
  readonly third: SipPhone;
}

export async function setWay(scene: Scene, way: Way): Promise<void> {
  const ring = way === 'plain' ? 'PJSIP/1001' : 'Local/1001@pushwake/n';
  for (const [name, value] of [
    ['WAY', way],
    ['RING', ring],
    ['Q', way === 'plain' ? 'plain' : 'local'],
    ['F', way === 'plain' ? 'plain' : 'local'],
  ]) {
    await scene.asterisk.cli(`dialplan set global ${name} ${value}`);
  }
}

const STATUS: Partial<Record<Act, number>> = {
  busy: 486,
  declines: 603,
  unavailable: 480,
  'not-found': 404,
  error: 500,
};

const file = (scene: Scene, path: string): string => {
  const whole = join(scene.asterisk.folder, path);
  return existsSync(whole) ? readFileSync(whole, 'utf8') : '';
};

/** Places one call and answers with what was seen of it everywhere. */
export async function record(scene: Scene, people: People, index: number): Promise<Seen> {
  const { act, headers: more = [], lateOffer = false } = CASES[index] as Case;
  const { asterisk } = scene;
  const from = {
    cdr: asterisk.cdrText().length,
    log: asterisk.logText().length,
    cel: file(scene, 'log/cel-custom/Master.csv').length,
    queue: file(scene, 'log/queue_log').length,
  };
  const { phone, desk, third, caller } = people;
  const had = new Map([phone, desk, third].map((p) => [p, p.incoming.length]));
  const newAt = (p: SipPhone): readonly IncomingCall[] => p.incoming.slice(had.get(p));
  const rung = (p: SipPhone) => p.waitFor(() => newAt(p)[0], 8_000, 'a call');
  phone.answer =
    act === 'forwards'
      ? { kind: 'silent' }
      : act in STATUS
        ? { kind: 'reject', code: STATUS[act] as number }
        : { kind: 'ring' };
  third.answer = { kind: 'auto' };
  const seen: Record<string, string> = {};
  const call = await caller.call(`c${index}`, { headers: more, lateOffer });
  await play(scene, people, act, { call, rung, newAt, seen });
  await over(call);
  for (const parked of third.outgoing) if (parked.state === 'answered') await parked.hangup();
  // The phone goes on by option F.
  if (act === 'goes-on') await delay(250);
  for (const p of [phone, desk, third]) for (const c of p.calls) if (c.state === 'answered') await c.hangup();
  await asterisk.waitForNoChannels(12_000);
  const vars = () =>
    [
      ...asterisk
        .logText()
        .slice(from.log)
        .matchAll(/ NOTICE.* VARS (.*)\n/g),
    ].map((m) => m[1] as string);
  const deadline = performance.now() + 1_500;
  while (vars().length === 0 && performance.now() < deadline) await delay(10);
  // Every channel writes its own rows and lines as it ends: all are there once nothing has come for a while.
  const size = () => asterisk.logText().length + asterisk.cdrText().length;
  for (let seen = -1; seen !== size(); await delay(40)) seen = size();
  const log = asterisk.logText().slice(from.log);
  for (const p of [phone, desk, third]) {
    newAt(p).forEach((c, n) => {
      const key = `${p.name === '1001' ? 'phone' : p.name}${n ? `#${n + 1}` : ''}`;
      Object.assign(seen, headers(`INVITE at ${key}`, c.invites[0]?.message.headers.lines() ?? []));
      seen[`SDP at ${key}`] = sdp(c.invites[0]?.message.body ?? '');
      seen[`end at ${key}`] = `${c.state} ${unique(c.cancelReasons).join(' ')}`;
    });
  }
  seen['caller gets'] = unique(
    [...call.progress, ...(call.final ? [call.final] : [])].map((a) => `${a.status}${a.message.body ? '+sdp' : ''}`),
  )
    .filter((s) => s !== '100')
    .join(' ');
  // Who the caller is shown counts once it talks; by then a refusal has been answered with what was known at that moment.
  const hidden = (name: string) =>
    call.final !== undefined && call.final.status >= 300 && name === 'P-Asserted-Identity';
  const lines = call.final?.message.headers.lines().filter(([name]) => !hidden(name)) ?? [];
  Object.assign(seen, headers('answer at the caller', lines));
  seen['SDP at the caller'] = sdp(call.final?.message.body ?? '');
  seen.variables = unique(vars().map(normal)).sort().join(' ## ');
  seen.subroutines = [...log.matchAll(/(?:SUB|AFTER|NEXT) [^)\n]*/g)]
    .map((m) => normal(m[0]))
    .filter((t) => !t.includes(`\${`))
    .join('; ');
  seen.warnings = unique(
    [...log.matchAll(/(?:WARNING|ERROR)\[.*?\] ([^\n]*)/g)].map((m) => normal(m[1] as string)),
  ).join('; ');
  seen['CDR rows'] = cdrRows(asterisk.cdrText().slice(from.cdr));
  seen['CEL of the phone and the caller'] = unique(
    file(scene, 'log/cel-custom/Master.csv')
      .slice(from.cel)
      .split('\n')
      .filter((line) => line.includes('PJSIP/') && !line.includes('LINKEDID_END'))
      .map(normal)
      .sort(),
  ).join(' ');
  seen['queue log'] = file(scene, 'log/queue_log')
    .slice(from.queue)
    .split('\n')
    .filter(Boolean)
    .map((l) =>
      normal(
        l
          .split('|')
          .slice(2, 5)
          .join('|')
          .replace(/-(plain|local)/g, ''),
      ),
    )
    .join(' ');
  const wav = join(asterisk.folder, 'spool/monitor', `c${index}.wav`);
  seen.recording = existsSync(wav) ? String(statSync(wav).size > 1_000) : 'none';
  return seen;
}

async function over(call: OutgoingCall): Promise<void> {
  if (call.state === 'answered') await call.hangup();
  else if (!call.isOver) call.cancel();
  await call.done;
}

interface Play {
  readonly call: OutgoingCall;
  readonly rung: (p: SipPhone) => Promise<IncomingCall>;
  readonly newAt: (p: SipPhone) => readonly IncomingCall[];
  readonly seen: Record<string, string>;
}

async function play(scene: Scene, people: People, act: Act, { call, rung, newAt, seen }: Play): Promise<void> {
  const { phone, desk, third, caller } = people;
  switch (act) {
    case 'caller-cancels':
      await rung(phone);
      seen['hint while it rings'] = await hint(scene);
      await delay(50);
      call.cancel();
      return;
    case 'rings-out':
    case 'busy':
    case 'declines':
    case 'unavailable':
    case 'not-found':
    case 'error':
      await rung(phone);
      await call.done;
      return;
    case 'forwards': {
      const one = await rung(phone);
      one.reject(302, [['Contact', '<sip:3000@127.0.0.1>']]);
      await Promise.race([call.done, delay(1_500)]);
      return;
    }
    case 'desk-answers':
      await Promise.all([rung(phone), rung(desk)]);
      await (newAt(desk)[0] as IncomingCall).answer();
      await talk(scene, people, call, newAt(desk)[0] as IncomingCall, seen);
      return;
    case 'picked-up': {
      await rung(phone);
      const picker = await third.call('*8');
      await picker.waitForState('answered');
      await call.waitForState('answered');
      await delay(150);
      seen['picked up'] = `${(newAt(phone)[0] as IncomingCall).state}`;
      return;
    }
    case 'early-media': {
      const one = await rung(phone);
      await one.progress();
      await Promise.race([call.waitForRtp(3), delay(400)]).catch(() => undefined);
      await one.answer();
      await call.waitForState('answered');
      await talk(scene, people, call, one, seen);
      return;
    }
    case 'clicked':
    case 'originated-by-cli':
    case 'originated-by-ari':
    case 'originated-by-ami': {
      await call.waitForState('answered');
      if (act !== 'clicked') await originate(scene, act);
      const one = await rung(phone);
      await one.answer();
      await delay(500);
      seen['channels in the talk'] = await channels(scene);
      seen['hint in the talk'] = await hint(scene);
      seen.audio = `${one.rtp.received > 2}`;
      return;
    }
    default:
  }
  const one = await rung(phone);
  seen['hint while it rings'] = await hint(scene);
  await one.answer(act === 'talks-as-offered' ? 'as offered' : 'plain');
  await call.waitForState('answered', 8_000);
  await talk(scene, people, call, one, seen);
  switch (act) {
    case 'callee-hangs-up':
      await one.hangup();
      await Promise.race([call.waitForState('ended'), delay(2_000)]);
      return;
    case 'phone-refers':
    case 'caller-refers':
    case 'phone-keys':
    case 'caller-keys': {
      const by = act.startsWith('phone') ? one : call;
      if (act.endsWith('refers')) await by.refer(`<sip:3000@127.0.0.1:${scene.asterisk.ports.udp}>`);
      else await keys(by, '#1', '3000');
      const target = await rung(third);
      await target.waitForState('answered');
      await delay(600);
      seen['channels after the transfer'] = await channels(scene);
      await target.hangup();
      return;
    }
    case 'faxes': {
      // The request has its own limit of five seconds.
      seen['the fax is taken'] = await one.fax().then(
        ({ status }) => String(status),
        () => 'no answer',
      );
      await delay(300);
      seen['offers to the caller'] = call.offers.map(sdp).join(' ## ');
      seen['channels in the fax'] = await channels(scene);
      return;
    }
    case 'holds': {
      seen['hold is taken'] = `${(await one.hold(true)).status}`;
      await delay(150);
      seen['hint on hold'] = await hint(scene);
      const before = call.rtp.received;
      await delay(150);
      seen['music at the caller'] = `${call.rtp.received > before}`;
      seen['hold is taken back'] = `${(await one.hold(false)).status}`;
      return;
    }
    case 'parks': {
      await one.refer(`<sip:700@127.0.0.1:${scene.asterisk.ports.udp}>`);
      await delay(700);
      seen['channels while parked'] = await channels(scene);
      const back = await third.call('701');
      await back.waitForState('answered');
      await delay(300);
      seen['channels after the parking'] = await channels(scene);
      return;
    }
    case 'attended': {
      const second = await phone.call('3000');
      await second.waitForState('answered');
      // Asterisk answers before it bridges: of a call that is not bridged yet the transfer has a CDR row less, plain as well (4 of 95).
      await second.waitForRtp(3);
      const id = second.dialogId as { callId: string; localTag: string; remoteTag: string };
      const replaces = encodeURIComponent(`${id.callId};to-tag=${id.remoteTag};from-tag=${id.localTag}`);
      await one.refer(`<sip:3000@127.0.0.1:${scene.asterisk.ports.udp}?Replaces=${replaces}>`);
      await delay(600);
      seen['channels after the transfer'] = await channels(scene);
      return;
    }
    default:
      void caller;
  }
}

/** Somebody's program calls the phone, and then extension 3000. */
async function originate(
  scene: Scene,
  by: 'originated-by-cli' | 'originated-by-ari' | 'originated-by-ami',
): Promise<void> {
  const { asterisk } = scene;
  const dial = /^\s*RING=(.*)$/m.exec(await asterisk.cli('dialplan show globals'))?.[1]?.trim() ?? '';
  const { url, user, password } = asterisk.ari;
  switch (by) {
    case 'originated-by-cli':
      await asterisk.cli(`channel originate ${dial} extension 3000@internal`);
      return;
    case 'originated-by-ari': {
      const query = new URLSearchParams({ endpoint: dial, extension: '3000', context: 'internal', priority: '1' });
      const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
      const answer = await fetch(`${url}/ari/channels?${query}`, { method: 'POST', headers: { authorization } });
      if (!answer.ok) throw new Error(`ARI: ${answer.status} ${await answer.text()}`);
      return;
    }
    case 'originated-by-ami': {
      const ask = async (action: Record<string, string>, cookie = ''): Promise<Response> =>
        fetch(`${url}/rawman?${new URLSearchParams(action)}`, { headers: { cookie } });
      const login = await ask({ action: 'login', username: AMI.user, secret: AMI.secret });
      const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
      const place = { channel: dial, exten: '3000', context: 'internal', priority: '1', async: 'true' };
      const text = await (await ask({ action: 'originate', ...place }, cookie)).text();
      if (!text.includes('Success')) throw new Error(`AMI: ${text}`);
      return;
    }
    default:
      by satisfies never;
  }
}

async function talk(
  scene: Scene,
  _people: People,
  call: OutgoingCall,
  one: IncomingCall,
  seen: Record<string, string>,
) {
  await Promise.all([call.waitForRtp(3), one.waitForRtp(3)]).catch(() => undefined);
  seen.audio = `${call.rtp.received > 2} ${one.rtp.received > 2}`;
  seen['channels in the talk'] = await channels(scene);
  seen['hint in the talk'] = await hint(scene);
  seen['variables of the phone’s channel'] = await legVariables(scene);
}

async function keys(by: IncomingCall | OutgoingCall, first: string, then: string): Promise<void> {
  const press = async (all: string) => {
    for (const key of all) {
      await by.request('INFO', [['Content-Type', 'application/dtmf-relay']], `Signal=${key}\r\nDuration=100\r\n`);
      await delay(110);
    }
  };
  await press(first);
  await delay(900);
  await press(then);
}

/** A device state is told a moment after the phone has rung. */
async function hint(scene: Scene): Promise<string> {
  const now = async () => /State:(\S+)/.exec(await scene.asterisk.cli('core show hints'))?.[1] ?? 'none';
  let state = await now();
  for (let i = 0; i < 20 && state === 'Idle'; i++) {
    await delay(20);
    state = await now();
  }
  return state;
}

/** What is left of a call once it is settled: a leg of ours needs some milliseconds to go. */
async function channels(scene: Scene): Promise<string> {
  const now = async () =>
    (await scene.asterisk.cli('core show channels concise'))
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((l) => normal(l.split('!')[0] as string))
      .sort();
  let last = await now();
  for (let i = 0; i < 12 && last.some((name) => name.startsWith('Local/')); i++) {
    await delay(25);
    last = await now();
  }
  return last.join(' ');
}

async function legVariables(scene: Scene): Promise<string> {
  const name = (await scene.asterisk.cli('core show channels concise'))
    .split('\n')
    .map((l) => l.split('!')[0] as string)
    .find((n) => n.startsWith('PJSIP/1001'));
  if (name === undefined) return 'none';
  const text = await scene.asterisk.cli(`core show channel ${name}`);
  const variables = /Variables:\n([\s\S]*?)\n\s*CDR Variables/.exec(text)?.[1] ?? '';
  return unique(
    variables
      .split('\n')
      .filter((l) => /^\w+=/.test(l))
      .map(normal),
  )
    .sort()
    .join(' ');
}
