/**
 * The steps of the demo by name, in order: which part of the story each belongs to, and how `--sabotage` breaks it.
 * A sabotage changes the world (a phone, the push service, a process), never what is looked at: so it shows that the step
 * really looks.
 */

/** Parts that can be run alone; `ready` and `end` always run. */
export const PARTS = ['wake', 'gives-up', 'elsewhere', 'killed'] as const;
/** Of the other story, `--texts`. */
export const TEXT_PARTS = ['text', 'voicemail', 'missed'] as const;
export type Part = (typeof PARTS)[number] | (typeof TEXT_PARTS)[number];

interface StepInfo {
  readonly part: Part | 'ready' | 'end';
  readonly sabotage: string;
}

export const STEPS = {
  asterisk: { part: 'ready', sabotage: 'Asterisk is killed right after its start' },
  connected: { part: 'ready', sabotage: 'pushwake is given a wrong ARI password' },
  registered: { part: 'ready', sabotage: 'the mobile never registers' },
  bound: { part: 'ready', sabotage: 'the mobile registers without push parameters' },
  asleep: { part: 'ready', sabotage: 'the mobile keeps its connection open' },

  'without-pushwake': { part: 'wake', sabotage: 'another phone of the same account is awake' },
  call: { part: 'wake', sabotage: 'the caller dials a number that does not exist' },
  push: { part: 'wake', sabotage: 'the push service refuses the push' },
  wakes: { part: 'wake', sabotage: 'the phone ignores its push' },
  rings: { part: 'wake', sabotage: 'pushwake is frozen once the push is out' },
  answered: { part: 'wake', sabotage: 'nobody answers the phone' },
  audio: { part: 'wake', sabotage: 'the phone loses its network right after answering' },
  secrets: { part: 'wake', sabotage: 'the phone repeats its push token in a parameter of its own' },
  'hung-up': { part: 'wake', sabotage: 'the caller vanishes without a BYE' },

  'told-cancelled': { part: 'gives-up', sabotage: 'the push service refuses the closing word' },
  'stops-ringing': { part: 'gives-up', sabotage: 'the caller never gives up' },
  'no-channel-left': { part: 'gives-up', sabotage: 'another call is left standing' },

  'desk-answers': { part: 'elsewhere', sabotage: 'nobody answers the desk phone' },
  'told-elsewhere': { part: 'elsewhere', sabotage: 'the push service refuses the closing word' },

  'call-survives': { part: 'killed', sabotage: 'Asterisk is killed together with pushwake' },
  'known-phones-ring': { part: 'killed', sabotage: 'no phone of the account is awake' },
  'binding-kept': { part: 'killed', sabotage: "pushwake's store is deleted while it is away" },
  'taken-up': { part: 'killed', sabotage: 'pushwake is not started again' },

  'text-kept': { part: 'text', sabotage: 'the text goes to a number that nobody has' },
  'text-push': { part: 'text', sabotage: 'the push service refuses the push' },
  'text-delivered': { part: 'text', sabotage: 'the phone ignores its push' },

  'voicemail-push': { part: 'voicemail', sabotage: 'voicemail.conf has no line externnotify' },
  'voicemail-heard': { part: 'voicemail', sabotage: 'nobody listens to the message' },

  'missed-push': { part: 'missed', sabotage: 'the phone wakes and registers before the notice goes out' },
  'said-nowhere': { part: 'missed', sabotage: 'calls.showCaller is on' },

  untouched: { part: 'end', sabotage: 'somebody opens a port of the machine’s own Asterisk meanwhile' },
} as const satisfies Record<string, StepInfo>;

export type StepName = keyof typeof STEPS;

export const stepNames = Object.keys(STEPS) as StepName[];

export const isStep = (name: string): name is StepName => Object.hasOwn(STEPS, name);
export const isPart = (name: string): name is Part => ([...PARTS, ...TEXT_PARTS] as readonly string[]).includes(name);
/** Steps of the story that is played without options, or of `--texts`. */
export const stepsOf = (story: 'calls' | 'texts'): readonly StepName[] => {
  const others: readonly string[] = story === 'texts' ? PARTS : TEXT_PARTS;
  return stepNames.filter((name) => !others.includes(STEPS[name].part));
};
