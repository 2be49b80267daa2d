/**
 * `npm run demo -- --week`: the life of a binding on a real PBX, a week in less than a minute. Three phones: one stays
 * silent, one refreshes quietly on one TLS connection, one opens its app after the first notice. Exits 0 only if each got
 * exactly what it should, and the silent one's contact and binding are gone.
 */
import { fileURLToPath } from 'node:url';
import { affineClock } from '../../adapters/clock/system/index.ts';
import { DAY, HOUR, type Instant, instant, MINUTE } from '../../plugin/core/time.ts';
import type { ReceivedPush } from '../support/apns-stand-in/index.ts';
import { FreeswitchScene } from '../support/freeswitch-scene.ts';
import { type PbxScene, type PushIdentity, REALM } from '../support/pbx-scene.ts';
import { Scene } from '../support/scene.ts';
import { StoredRecords } from '../support/stored-records.ts';
import type { PbxName } from './options.ts';
import { Printer } from './print.ts';

/** How late a push may come on a busy machine, in real time; half an hour of the story at least. */
const LATE_MS = 700;
const MONDAY = instant(Date.UTC(2026, 2, 2, 9));
const CHILD = fileURLToPath(new URL('./week-child.ts', import.meta.url));

interface Seen {
  readonly at: Instant;
  readonly who: string;
  readonly what: string;
}

/** Plays it `speed` times as fast as real time, and says what it saw. Answers the exit code. */
export async function playWeek(speed: number, pbx: PbxName = 'asterisk'): Promise<number> {
  const print = new Printer();
  const begun = performance.now();
  let scene: PbxScene | undefined;
  print.title(`pushwake: a week of three phones, on a real ${NAMES[pbx]}`);
  try {
    const stage = await build[pbx](speed, (line) => print.line(line));
    scene = stage.scene;
    await scene.startPushwake();
    print.line(`${stage.version}; one second here is ${(speed / 3600).toFixed(1)} h for pushwake.`);
    const failures = await play(stage, print, speed);
    for (const failure of failures) print.fail(failure);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    print.line(
      failures.length === 0 ? `The week went as promised, in ${seconds} s.` : `${failures.length} things went wrong.`,
    );
    return failures.length === 0 ? 0 : 1;
  } catch (error) {
    print.fail(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    print.close();
    await scene?.close();
  }
}

interface WeekStage {
  readonly scene: PbxScene;
  readonly version: string;
  readonly now: () => Instant;
  /** Whether the PBX holds a contact of this user. */
  readonly holds: (user: string) => Promise<boolean>;
}

const NAMES: Readonly<Record<PbxName, string>> = { asterisk: 'Asterisk', freeswitch: 'FreeSWITCH' };
const USERS = ['1001', '1002', '1003'];
// Two minutes of this clock pass while a push is under way.
const POLICY = '  resendAfter: 1h\n  refreshSpread: 0s';

/** The clock begins to run when the PBX is there: building one takes longer than a week lasts here. */
function clockOf(speed: number) {
  const realStartMs = Date.now();
  const life = affineClock({ k: speed, startAt: MONDAY, realStartMs });
  const entry = (file: string) => [CHILD, file, String(speed), String(MONDAY), String(realStartMs)];
  return { now: life.now, entry };
}

const build: Readonly<Record<PbxName, (speed: number, say: (line: string) => void) => Promise<WeekStage>>> = {
  async asterisk(speed, say) {
    const { bringAsterisk } = await import('../support/asterisk/index.ts');
    const home = await bringAsterisk(say);
    const { now, entry } = clockOf(speed);
    const scene = await Scene.start({
      name: `demo-week-${process.pid}`,
      users: USERS.map((id) => ({ id, maximumExpiration: 604_800 })),
      withoutPushwake: true,
      debug: false,
      policy: POLICY,
      entry,
    });
    const holds = async (user: string) => (await scene.asterisk.cli('pjsip show contacts')).includes(`${user}/sip`);
    return { scene, version: `Asterisk ${home.version}`, now, holds };
  },
  async freeswitch(speed) {
    const { now, entry } = clockOf(speed);
    const scene = await FreeswitchScene.start({
      users: USERS.map((id) => ({ id })),
      withoutPushwake: true,
      debug: false,
      policy: POLICY,
      entry,
    });
    const holds = async (user: string) => (await scene.contacts(`${user}@${REALM}`)).length > 0;
    return { scene, version: scene.freeswitch.version, now, holds };
  },
};

async function play({ scene, now, holds }: WeekStage, print: Printer, speed: number): Promise<string[]> {
  const seen: Seen[] = [];
  const tell = (who: string, what: string) => {
    const entry = { at: now(), who, what };
    seen.push(entry);
    print.line(`${stamp(entry.at)}  ${who.padEnd(28)} ${what}`);
  };
  const names = { silent: '1001, stays silent', quiet: '1002, refreshes quietly', opens: '1003, opens its app' };
  const installs = { silent: scene.install(), quiet: scene.install(), opens: scene.install() };
  const silent = await scene.phone('1001', { transport: 'tls' });
  const quiet = await scene.phone('1002', { transport: 'tls' });
  const opens = await scene.phone('1003', { transport: 'tls' });
  for (const [phone, key] of [
    [silent, 'silent'],
    [quiet, 'quiet'],
    [opens, 'opens'],
  ] as const) {
    await scene.bind(phone, installs[key], { expires: 604_800 });
    tell(names[key], 'registers, and is bound for 7 days');
  }
  await silent.sleep();
  await opens.sleep();

  listen(scene, installs.silent, (what) => tell(names.silent, what));
  listen(scene, installs.quiet, (what) => tell(names.quiet, what));
  let opened = false;
  listen(scene, installs.opens, (what) => {
    tell(names.opens, what);
    if (opened || !what.startsWith('notice')) return;
    opened = true;
    void (async () => {
      await opens.wake();
      await opens.register({ contactParams: installs.opens.params, newCallId: true, expires: 604_800 });
      tell(names.opens, 'the user taps the notice: the app registers');
      await opens.sleep();
    })();
  });

  const records = new StoredRecords(`${scene.folder}/bindings.db`);
  const end = now() + 7 * DAY + 2 * HOUR;
  while (now() < end) {
    // About every eight hours of this clock, on the same connection.
    await quiet.register({ contactParams: installs.quiet.params, expires: 604_800 });
    await new Promise((done) => setTimeout(done, (8 * HOUR) / speed));
  }
  const [silentHeld, quietHeld] = [await holds('1001'), await holds('1002')];
  const is = (held: boolean) => (held ? 'is still there' : 'is gone');
  tell('the PBX', `contacts: 1001 ${is(silentHeld)}, 1002 ${is(quietHeld)}`);
  const ended = records.get('1001@example.com');
  tell(
    'pushwake',
    `binding of 1001: ${ended.bindings.length === 0 ? `gone (${ended.tombstones.map((t) => t.reason).join()})` : 'still there'}`,
  );

  return judge(seen, names, Math.max(0.5, (LATE_MS * speed) / HOUR), {
    contactGone: !silentHeld,
    quietContactStays: quietHeld,
    bindingGone: ended.bindings.length === 0 && ended.tombstones.some((t) => t.reason === 'age'),
    opensBound: records.bindings('1003@example.com').length === 1,
    quietBound: records.bindings('1002@example.com').length === 1,
  });
}

function listen(scene: PbxScene, install: PushIdentity, heard: (what: string) => void): void {
  scene.apns.onPush(install.other, (push: ReceivedPush) => {
    const payload = JSON.parse(push.json) as {
      aps?: { alert?: { body?: string } | string };
      pushwake?: { type?: string; notice?: string };
    };
    const alert = payload.aps?.alert;
    const text = typeof alert === 'string' ? alert : alert?.body;
    heard(text ? `notice: "${text.slice(0, 70)}…"` : 'silent push: please register');
  });
}

/** What must have been seen, as sentences of what was not. */
function judge(
  seen: readonly Seen[],
  names: Record<string, string>,
  lateHours: number,
  left: Record<string, boolean>,
): string[] {
  const failures: string[] = [];
  const of = (who: string, what: RegExp) => seen.filter((s) => s.who === who && what.test(s.what));
  const silent = names.silent as string;
  const registeredAt = of(silent, /^registers/)[0]?.at ?? MONDAY;
  /** Hours before (negative) or after the end of its seven days. */
  const hours = (s: Seen) => (s.at - registeredAt) / HOUR - 7 * 24;
  const refreshes = of(silent, /^silent push/);
  // From the first notice on silent pushes may live for a minute only (ADR 0005): too short for this clock.
  if (refreshes.length < 11)
    failures.push(
      `the silent phone got ${refreshes.length} silent pushes, expected one an hour from 24 h before the end to the first notice`,
    );
  // The phone was bound a moment before it is written here that it was.
  if (refreshes.some((s) => hours(s) < -24 - lateHours / 3))
    failures.push('a silent push came earlier than 24 h before the end');
  const soon = of(silent, /will expire soon/).map(hours);
  const expired = of(silent, /no longer receiving/).map(hours);
  const near = (at: number | undefined, wanted: number) =>
    at !== undefined && at >= wanted - 0.5 && at < wanted + lateHours;
  if (soon.length !== 2 || !near(soon[0], -12) || !near(soon[1], -1))
    failures.push(`"expires soon" came at ${soon.map((h) => h.toFixed(1))} h, expected -12 and -1`);
  if (expired.length !== 1 || !near(expired[0], 0))
    failures.push(`"expired" came at ${expired.map((h) => h.toFixed(1))} h, expected 0`);
  if (of(names.quiet as string, /push|notice/).length > 0)
    failures.push('the phone that refreshes quietly was told something');
  const opens = of(names.opens as string, /^notice/);
  if (opens.length !== 1) failures.push(`the phone that opened its app got ${opens.length} notices, expected 1`);
  const after = of(names.opens as string, /^silent push/).filter((s) => opens[0] && s.at > opens[0].at + 30 * MINUTE);
  if (after.length > 0) failures.push('the phone that opened its app was asked again afterwards');
  for (const [what, holds] of Object.entries(left)) if (!holds) failures.push(`not so: ${what}`);
  return failures;
}

function stamp(at: Instant): string {
  const day = Math.floor((at - MONDAY + 9 * HOUR) / DAY);
  const weekday = new Date(at).toLocaleDateString('en-GB', { weekday: 'short', timeZone: 'UTC' });
  return `day ${day} ${weekday} ${new Date(at).toISOString().slice(11, 16)}`;
}
