/**
 * `npm run demo`: a sleeping phone rings, on a real Asterisk. Brings what it needs, plays the story, and exits 0 only if
 * every step was observed. See `options.ts` for the command line, `steps.ts` for the steps.
 */
import { homedir } from 'node:os';
import { bringAsterisk, CannotBringAsterisk, machineFingerprint } from '../support/asterisk/index.ts';
import { locateFreeswitch } from '../support/freeswitch/index.ts';
import { DEFAULT_USERS, freeUdpPort, Scene } from '../support/scene.ts';
import { machineIsUntouched, printTrace } from './end.ts';
import { playFreeswitch } from './freeswitch.ts';
import { keepRunning } from './keep.ts';
import { playNodes } from './nodes.ts';
import { type DemoOptions, parseOptions } from './options.ts';
import { playPhone } from './phone.ts';
import { Printer } from './print.ts';
import { lastWords, NotSeen, Stage } from './stage.ts';
import { type Part, STEPS, TEXT_PARTS } from './steps.ts';
import { theCallerGivesUp, theDeskPhoneIsFaster } from './story-ends.ts';
import { pushwakeIsKilled } from './story-killed.ts';
import { asteriskRuns, phonesRegister, pushwakeRuns } from './story-ready.ts';
import { textScene, theCallIsMissed, theMessageWaits, theTextWaits } from './story-texts.ts';
import { aSleepingPhoneRings } from './story-wake.ts';
import { playWeek } from './week.ts';

/** `rewrite_contact`, as for every phone behind a NAT: with it Asterisk forgets a contact when its connection closes. */
const USERS = DEFAULT_USERS.map((user) => ({ ...user, rewriteContact: true }));

const parsed = parseOptions(process.argv.slice(2));
if (parsed.kind === 'freeswitch' || (parsed.kind === 'week' && parsed.pbx === 'freeswitch')) {
  if (!locateFreeswitch()) {
    process.stderr.write(
      'there is no FreeSWITCH here: name its prefix in PUSHWAKE_FREESWITCH, or put it on the PATH\n',
    );
    process.exit(3);
  }
  process.exit(parsed.kind === 'week' ? await playWeek(parsed.speed, parsed.pbx) : await playFreeswitch());
}
if (parsed.kind === 'phone') process.exit(await playPhone(parsed.keep));
if (parsed.kind === 'nodes') process.exit(await playNodes(parsed.count));
if (parsed.kind === 'week') process.exit(await playWeek(parsed.speed));
if (parsed.kind === 'run') process.exit(await main(parsed.options));
if (parsed.kind === 'mistake') process.stderr.write(parsed.text);
else process.stdout.write(parsed.text);
process.exit(parsed.kind === 'mistake' ? 2 : 0);

async function main(options: DemoOptions): Promise<number> {
  const begun = performance.now();
  const seconds = () => ((performance.now() - begun) / 1000).toFixed(1);
  const print = new Printer();
  const stage = new Stage(print, options.sabotage);
  const interrupted = new Promise<void>((done) => {
    process.once('SIGINT', () => done());
    process.once('SIGTERM', () => done());
  });
  const ended: { scene?: Scene } = {};

  print.title(
    options.parts.some(isOfTexts)
      ? 'pushwake: what a sleeping phone misses beside calls, on a real Asterisk'
      : 'pushwake: a sleeping phone rings, on a real Asterisk',
  );
  print.line(
    'About half a minute; the first time one to three minutes more, to bring an Asterisk into a folder of its own.',
  );
  print.line(
    'Every step below was seen to happen, on the wire or in the log. The rest of this machine is left as it is.',
  );
  if (options.sabotage)
    print.line(`Sabotage: ${STEPS[options.sabotage].sabotage}. This run must fail at step "${options.sabotage}".`);
  try {
    const played = play(stage, options, ended, interrupted);
    const outcome = await Promise.race([
      played.then(() => 'played' as const),
      interrupted.then(() => 'interrupted' as const),
    ]);
    if (outcome === 'interrupted' && !options.keep) {
      played.catch(() => undefined);
      print.line(`Interrupted after ${seconds()} s; cleaning up.`);
      return 130;
    }
    await played;
  } catch (error) {
    report(stage, error, ended.scene);
    return 1;
  } finally {
    print.close();
    // A frozen process would sleep through its SIGTERM.
    ended.scene?.pushwake.thaw();
    await ended.scene?.close();
  }
  print.line('');
  if (options.sabotage) {
    print.fail(`the sabotage of "${options.sabotage}" was not noticed`);
    return 3;
  }
  print.line(`All ${stage.observed.length} steps observed in ${seconds()} s (Node ${process.versions.node}).`);
  return 0;
}

async function play(
  stage: Stage,
  options: DemoOptions,
  at: { scene?: Scene },
  interrupted: Promise<void>,
): Promise<void> {
  const { print } = stage;
  const before = machineFingerprint();
  print.line(
    'Mobile 1001, desk phone 1002, caller 2000; number 5001 rings mobile and desk phone together. All on 127.0.0.1.',
  );
  print.part('Getting ready');
  stage.current = 'asterisk';
  await bring(print);
  print.running('Asterisk starts');
  const ofTexts = options.parts.some(isOfTexts);
  const more = ofTexts ? await textScene(options.sabotage) : undefined;
  const scene = await Scene.start({
    name: `demo-${process.pid}`,
    users: more?.users(USERS) ?? USERS,
    hep: true,
    withoutPushwake: true,
    ...more?.scene,
  });
  const admin = options.keep && !more ? `127.0.0.1:${await freeUdpPort()}` : undefined;
  // Whoever keeps it wants to look into it: `status`, `explain` and the pages need the listener.
  if (more) scene.pushwake.configure(scene.yaml({ more: more.yaml }));
  else if (admin) scene.pushwake.configure(scene.yaml({ more: `http: { admin: { listen: "${admin}" } }\n` }));
  at.scene = scene;
  await asteriskRuns(stage, scene);
  await pushwakeRuns(stage, scene);
  const cast = await phonesRegister(stage, scene);

  let firstCall: string | undefined;
  for (const part of options.parts) {
    switch (part) {
      case 'wake':
        firstCall = await aSleepingPhoneRings(stage, cast);
        break;
      case 'gives-up':
        await theCallerGivesUp(stage, cast);
        break;
      case 'elsewhere':
        await theDeskPhoneIsFaster(stage, cast);
        break;
      case 'killed':
        await pushwakeIsKilled(stage, cast);
        break;
      case 'text':
        await theTextWaits(stage, cast);
        break;
      case 'voicemail':
        if (more) await theMessageWaits(stage, cast, more);
        break;
      case 'missed':
        await theCallIsMissed(stage, cast);
        break;
      default:
        part satisfies never;
    }
  }
  print.part('And the machine this runs on');
  await machineIsUntouched(stage, before);
  if (firstCall) printTrace(print, scene, firstCall);
  if (options.keep) await keepRunning(stage, cast, admin ?? more?.adminUrl.replace('http://', ''), interrupted);
}

function isOfTexts(part: Part): boolean {
  return (TEXT_PARTS as readonly string[]).includes(part);
}

/** The first time takes minutes: each step of the build is told with its seconds. */
async function bring(print: Printer): Promise<void> {
  const begun = performance.now();
  let told = false;
  const home = await bringAsterisk((line) => {
    if (!told) print.line('  Bringing an Asterisk of our own (once, about 700 MB in a cache folder)');
    told = true;
    print.line(
      `    ${Math.round((performance.now() - begun) / 1000)
        .toString()
        .padStart(4)} s  ${line}`,
    );
    print.running(line);
  });
  const place = home.root.replace(homedir(), '~');
  print.ok(`Asterisk ${home.version} is here, ${home.built ? 'freshly brought' : 'brought earlier'}, in ${place}`, {
    ms: performance.now() - begun,
  });
}

function report(stage: Stage, error: unknown, scene: Scene | undefined): void {
  const { print } = stage;
  const step = stage.current ?? 'between two steps';
  const message = error instanceof Error ? error.message : String(error);
  const [first = '', ...rest] = message.split('\n');
  print.fail(`step "${step}": ${first}`);
  // An error of another kind was not foreseen: all it says may help.
  if (!(error instanceof NotSeen)) for (const line of rest.slice(0, 20)) print.note(line);
  if (scene && scene.pushwake.log.length > 0 && !(error instanceof CannotBringAsterisk)) {
    print.line('');
    print.line('What pushwake said last:');
    for (const line of lastWords(scene)) print.note(line);
  }
  print.line('');
  print.line(`FAILED at step "${step}"; ${stage.observed.length} steps before it were observed.`);
}
