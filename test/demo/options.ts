/** The command line of the demo. Pure: arguments in, what to do out. */
import { isPart, isStep, PARTS, type Part, STEPS, type StepName, stepNames, TEXT_PARTS } from './steps.ts';

export interface DemoOptions {
  /** Which parts of the story are played. */
  readonly parts: readonly Part[];
  readonly sabotage?: StepName;
  readonly keep: boolean;
}

export type Parsed =
  | { readonly kind: 'run'; readonly options: DemoOptions }
  /** The other story: a week of three phones, so many times as fast as real time. */
  | { readonly kind: 'week'; readonly speed: number; readonly pbx: PbxName }
  /** Several nodes beside one Asterisk, over one Redis. */
  | { readonly kind: 'nodes'; readonly count: number }
  /** The phone in the browser; `keep`: for a person's own. */
  | { readonly kind: 'phone'; readonly keep: boolean }
  /** The short story on FreeSWITCH. */
  | { readonly kind: 'freeswitch' }
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'mistake'; readonly text: string };

export type PbxName = 'asterisk' | 'freeswitch';

/** A week in 50 s. */
export const WEEK_SPEED = 12_000;

/** Nodes of that story: two take calls, the others are more than enough to see. */
export const NODES = { least: 2, most: 5 } as const;

export const HELP = `npm run demo -- [options]

A real Asterisk, pushwake, a stand-in for Apple's push service and three phones, all on 127.0.0.1: a sleeping phone
rings, a caller gives up, a desk phone is faster, pushwake is killed in the middle of a call.

  --texts              what a sleeping phone misses beside calls: a text, a voice message (Asterisk's own
                       voicemail), a missed call
  --keep               leave everything running afterwards, to play with; Ctrl-C ends it
  --only <part>        play one part only: ${PARTS.join(', ')};
                       of --texts: ${TEXT_PARTS.join(', ')}
  --sabotage <step>    break one step on purpose: the demo must then fail and name it
  --sabotage list      list the steps and how each is broken
  --nodes <n>          ${NODES.least} to ${NODES.most} nodes beside one Asterisk, over one Redis: one is drained while calls go on
  --phone              a phone in the browser, asleep and woken: a Chromium plays the user; with --keep the
                       address is for a browser of yours on this machine
  --week               the other story: a week of three phones in less than a minute
  --speed <n>          how many times as fast, 1,000 to 20,000 (default ${WEEK_SPEED.toLocaleString('en-US')})
  --pbx <name>         asterisk (default), or freeswitch where there is one: PUSHWAKE_FREESWITCH names its
                       prefix, else it is looked for on the PATH; a shorter story, and --week
  --help               this text

Exit code: 0 every step was observed, 1 a step was not, 2 a mistake on the command line,
3 a sabotage that nobody noticed, or no FreeSWITCH to play on.
`;

export function parseOptions(args: readonly string[]): Parsed {
  let only: Part | undefined;
  let sabotage: StepName | undefined;
  let keep = false;
  let week = false;
  let texts = false;
  let phone = false;
  let speed = WEEK_SPEED;
  let nodes: number | undefined;
  let pbx: PbxName = 'asterisk';
  const left = args.flatMap((arg) =>
    /^--\w+=/.test(arg) ? [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)] : [arg],
  );
  while (left.length > 0) {
    const name = left.shift() as string;
    if (name === '--help' || name === '-h') return { kind: 'print', text: HELP };
    if (name === '--keep') {
      keep = true;
      continue;
    }
    if (name === '--texts') {
      texts = true;
      continue;
    }
    if (name === '--phone') {
      phone = true;
      continue;
    }
    if (name === '--week') {
      week = true;
      continue;
    }
    if (name === '--speed') {
      speed = Number(left.shift());
      if (!(speed >= 1_000 && speed <= 20_000)) return mistake('--speed needs a number from 1000 to 20000');
      continue;
    }
    if (name === '--nodes') {
      nodes = Number(left.shift());
      const { least, most } = NODES;
      if (!(Number.isInteger(nodes) && nodes >= least && nodes <= most))
        return mistake(`--nodes needs a number from ${least} to ${most}`);
      continue;
    }
    if (name !== '--only' && name !== '--sabotage' && name !== '--pbx') return mistake(`unknown option ${name}`);
    const value = left.shift();
    if (value === undefined) return mistake(`${name} needs a value`);
    if (name === '--pbx') {
      if (value !== 'asterisk' && value !== 'freeswitch')
        return mistake(`there is no demo for "${value}", only for asterisk and freeswitch`);
      pbx = value;
    }
    if (name === '--only') {
      if (!isPart(value)) return mistake(`there is no part "${value}"`);
      only = value;
    }
    if (name === '--sabotage') {
      if (value === 'list') return { kind: 'print', text: sabotageList() };
      if (!isStep(value)) return mistake(`there is no step "${value}"; --sabotage list names them`);
      sabotage = value;
    }
  }
  if (nodes !== undefined) {
    const isAlone = !keep && !only && !sabotage && !texts && !week && pbx === 'asterisk';
    return isAlone ? { kind: 'nodes', count: nodes } : mistake('--nodes is a story of its own, on asterisk');
  }
  if (phone) {
    const isAlone = !only && !sabotage && !texts && !week && pbx === 'asterisk';
    return isAlone ? { kind: 'phone', keep } : mistake('--phone is a story of its own, on asterisk');
  }
  if (week) return { kind: 'week', speed, pbx };
  if (pbx === 'freeswitch')
    return keep || only || sabotage || texts
      ? mistake('--texts, --keep, --only and --sabotage are for asterisk')
      : { kind: 'freeswitch' };
  return {
    kind: 'run',
    options: { parts: partsFor(only, sabotage, texts ? TEXT_PARTS : PARTS), keep, ...(sabotage ? { sabotage } : {}) },
  };
}

/** A sabotage plays the part its step is in and no other. */
function partsFor(only: Part | undefined, sabotage: StepName | undefined, story: readonly Part[]): readonly Part[] {
  const part = sabotage && STEPS[sabotage].part;
  if (part !== undefined) return part === 'ready' || part === 'end' ? [] : [part];
  return only ? [only] : story;
}

function sabotageList(): string {
  return stepNames.map((name) => `${name.padEnd(18)} ${STEPS[name].sabotage}\n`).join('');
}

const mistake = (text: string): Parsed => ({ kind: 'mistake', text: `${text}\n\n${HELP}` });
