/** Many calls: 200 that wait at once, then 50 new ones a second for a minute by SIPp. None lost, none left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mobile, startCallScene } from '../asterisk/calls-support.ts';
import { allSettled, type Counted, soFar, waitTogether } from '../support/many-calls.ts';
import type { Scene } from '../support/scene.ts';
import type { Result, Suite } from './bench.ts';

const PHONES = 40;
/**
 * 3,000 audio sessions: a caller's by UDP stays for five seconds after the call (RFC 3261, timer I), and each phone's stored contact
 * that is tried takes one as well. The 400 of a test's Asterisk are used up after twenty seconds of 50 calls a second.
 */
const AUDIO = { rtpFirst: 26_500, rtpLast: 32_499 };

export const calls: Suite = async (progress, options) => {
  const at = Number(options.get('at-once') ?? 200);
  const perSecond = Number(options.get('rate') ?? 50);
  const seconds = Number(options.get('seconds') ?? 60);
  const scene = await startCallScene({ name: 'bench-calls', mobiles: PHONES, hep: true, debug: false, ports: AUDIO });
  try {
    const caller = await scene.phone('2000');
    await caller.register();
    const mobiles: Mobile[] = [];
    for (let i = 1; i <= PHONES; i++) mobiles.push(await Mobile.asleep(scene, `10${String(i).padStart(2, '0')}`));

    progress(`${at} calls wait for ${PHONES} phones`);
    const begun = performance.now();
    const together = await waitTogether(scene, caller, mobiles, Math.ceil(at / PHONES), 60_000);
    const tookMs = performance.now() - begun;

    progress(`${perSecond} new calls a second for ${seconds} s, each given up after a second`);
    for (const mobile of mobiles) await mobile.phone.sleep();
    const before = soFar(scene, mobiles);
    const from = scene.pushwake.log.length;
    const done = await byOthers(scene, perSecond, perSecond * seconds);
    const streamed = await allSettled(scene, mobiles, done.calls, from, before, 60_000);
    const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${scene.pushwake.pid}/status`, 'utf8'))?.[1];
    return [
      ...lost(`${at} at once`, together, 'rang'),
      { name: `${at} at once: until all had rung and were over`, value: tookMs / 1_000, unit: 's' },
      { name: `${perSecond}/s: calls placed`, value: done.calls, unit: '' },
      { name: `${perSecond}/s: calls SIPp counts as failed`, value: done.failed, unit: '', target: '<=0' },
      ...lost(`${perSecond}/s`, streamed, 'told'),
      { name: `${perSecond}/s: memory of pushwake afterwards`, value: Number(memory) / 1_000, unit: 'MB' },
    ];
  } finally {
    await scene.close();
  }
};

function lost(name: string, counted: Counted, what: 'rang' | 'told'): Result[] {
  return (['pushed', what, 'over'] as const).map((field) => ({
    name: `${name}: calls not ${field}, of ${counted.calls}`,
    value: counted.calls - counted[field],
    unit: '',
    target: '<=0',
  }));
}

/** SIPp calls, waits a second, and gives up. */
async function byOthers(scene: Scene, perSecond: number, count: number): Promise<{ calls: number; failed: number }> {
  const { asterisk, folder } = scene;
  const numbers = join(folder, 'numbers.csv');
  const users = Array.from({ length: PHONES }, (_, i) => `10${String(i + 1).padStart(2, '0')}`);
  writeFileSync(
    numbers,
    `SEQUENTIAL\n${users.map((u) => `${u};[authentication username=2001 password=secret-2001]`).join('\n')}\n`,
  );
  const invite = (cseq: number, more: string) => `INVITE sip:[field0]@127.0.0.1:${asterisk.ports.udp} SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:2001@127.0.0.1>;tag=[call_number]
To: <sip:[field0]@127.0.0.1>
Call-ID: [call_id]
CSeq: ${cseq} INVITE
Max-Forwards: 70
Contact: <sip:2001@[local_ip]:[local_port]>
${more}Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
`;
  /** `back`: how many steps of the scenario ago the INVITE went out whose branch it must carry. */
  const short = (
    method: string,
    cseq: number,
    to: string,
    back: number,
  ) => `${method} sip:[field0]@127.0.0.1:${asterisk.ports.udp} SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch-${back}]
From: <sip:2001@127.0.0.1>;tag=[call_number]
To: <sip:[field0]@127.0.0.1>${to}
Call-ID: [call_id]
CSeq: ${cseq} ${method}
Max-Forwards: 70
Content-Length: 0

`;
  const scenario = join(folder, 'calls.xml');
  writeFileSync(
    scenario,
    `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="given up">
<send retrans="500"><![CDATA[
${invite(1, '')}]]></send>
<recv response="401" auth="true"/>
<send><![CDATA[
${short('ACK', 1, '[peer_tag_param]', 2)}]]></send>
<send retrans="500"><![CDATA[
${invite(2, '[field1]\n')}]]></send>
<recv response="100" optional="true"/>
<recv response="180"/>
<pause milliseconds="1000"/>
<send retrans="500"><![CDATA[
${short('CANCEL', 2, '', 4)}]]></send>
<recv response="180" optional="true"/>
<recv response="200"/>
<recv response="487"/>
<send><![CDATA[
${short('ACK', 2, '[peer_tag_param]', 8)}]]></send>
</scenario>
`,
  );
  const stats = join(folder, 'calls-stat.csv');
  const args = [
    '-sf',
    scenario,
    '-inf',
    numbers,
    '-i',
    '127.0.0.1',
    '-r',
    String(perSecond),
    '-m',
    String(count),
    '-l',
    '1000',
  ];
  const more = [
    '-nostdin',
    '-trace_stat',
    '-stf',
    stats,
    '-fd',
    '1',
    '-trace_err',
    '-error_file',
    join(folder, 'calls-err.log'),
    '-timeout',
    '180s',
  ];
  const child = spawn('sipp', [...args, ...more, `127.0.0.1:${asterisk.ports.udp}`], { stdio: 'ignore', cwd: folder });
  child.on('error', (error) => {
    throw new Error(`SIPp cannot be started (apt-get install sip-tester): ${error.message}`);
  });
  await once(child, 'exit');
  const lines = readFileSync(stats, 'utf8').trim().split('\n');
  const column = (name: string) => Number(lines.at(-1)?.split(';')[lines[0]?.split(';').indexOf(name) ?? -1] ?? 0);
  const failed = column('FailedCall(C)');
  if (failed > 0) process.stderr.write(readFileSync(join(folder, 'calls-err.log'), 'utf8').slice(0, 1_500));
  return { calls: column('TotalCallCreated'), failed };
}
