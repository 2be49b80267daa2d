/**
 * `npm run world -- --controls`: bugs that are planted in a copy of the program, one at a time; the world must find each. What it does not
 * find needs an oracle.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FaultKind } from './faults.ts';
import type { SiteName } from './sites.ts';
import { World, type WorldOptions } from './world.ts';

export interface Control {
  readonly bug: string;
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[];
  /** Where it shows soonest. */
  readonly site: SiteName;
  /** The worlds in which it shows; where absent, as the command says. */
  readonly worlds?: { readonly weeks: number; readonly dense: number; readonly faults: readonly FaultKind[] };
}

const one = (
  bug: string,
  file: string,
  from: string,
  to: string,
  site: SiteName = 'small',
  worlds?: Control['worlds'],
): Control => ({
  bug,
  site,
  edits: [{ file: `plugin/${file}`, from, to }],
  ...(worlds && { worlds }),
});

export const CONTROLS: readonly Control[] = [
  one(
    'the brake is deaf to calls',
    'runtime/intake.ts',
    "outcome.kind === 'tokenDead' && (await this.#o.brake.believes(appKey(target), bindingId))",
    "outcome.kind === 'tokenDead' && (of === 'call' || (await this.#o.brake.believes(appKey(target), bindingId)))",
    'office',
    { weeks: 0.5, dense: 40, faults: ['pushCallsDead'] },
  ),
  one(
    'the age of a 410 is read the wrong way round',
    'core/lifecycle/settled.ts',
    'between(since, renewedAt) > CLOCKS_DIFFER',
    'between(renewedAt, since) > CLOCKS_DIFFER',
  ),
  one('a forgotten closing word', 'core/wake/call-draft.ts', "effects.push({ type: 'tell', device, word });", ''),
  one(
    'a late notice does not move the end out',
    'core/lifecycle/time.ts',
    'left < offsetMs - offsetMs / 12 ?',
    'left < 0 ?',
    'small',
    { weeks: 4, dense: 3, faults: ['linkLong', 'nodeLongGone', 'phoneDeaf', 'phoneOff'] },
  ),
  one(
    '"removed" counts as logged out',
    'core/lifecycle.ts',
    'contactRemoved(draft, event);',
    "unregistered(draft, { ...event, type: 'Unregistered' });",
  ),
  one(
    'unknown counts as absent',
    'runtime/bindings/ticker.ts',
    "unknown ? 'unknown' : exists || links.length === 0 ?",
    'exists ?',
  ),
  one(
    '"removed" proves a REGISTER of now',
    'core/lifecycle/gone.ts',
    '-(gone.grantedMs ?? event.maximumMs) - REMOVED_SLACK',
    '0',
  ),
  one(
    'a refresh goes to the VoIP token',
    'core/lifecycle/time.ts',
    'refreshAt <= draft.now && b.targets.other) {\n    const target = b.targets.other;',
    'refreshAt <= draft.now && b.targets.other) {\n    const target = b.targets.call ?? b.targets.other;',
  ),
  {
    bug: 'a phone that rings at its stored contact is rung once more when it registers',
    site: 'small',
    edits: [
      {
        file: 'plugin/core/wake/legs.ts',
        from: "if (fresh.state === 'held') draft.giveUp(d, 'fresh', Cause.subscriberAbsent);\n      return;",
        to: 'return;',
      },
      {
        file: 'plugin/core/wake/waking.ts',
        from: "if (stored.state === 'ringing') return draft.giveUp(d, 'fresh', Cause.subscriberAbsent);",
        to: '',
      },
      { file: 'plugin/core/wake/waking.ts', from: '  dropStored(draft, d);\n  invite(', to: '  invite(' },
    ],
  },
  one(
    'accounts are watched for ever',
    'runtime/calls/waiting-call.ts',
    'if (wake.devices.length > 0) this.watch(false);\n      forgotten(this);',
    'forgotten(this);',
  ),
  one(
    'what the PBX holds is not rung',
    'core/wake/stored.ts',
    "if (stored.contact) ring.push({ kind: 'stored', ref: stored.ref, contact: stored.contact });",
    '',
  ),
  one(
    'a token in the log',
    'runtime/push/delivery.ts',
    'const token = target.token.fingerprint;\n    if (outcome.kind',
    'const token = target.token.reveal();\n    if (outcome.kind',
  ),
  one(
    'pushes say who calls without being asked',
    'runtime/calls/waiting-calls.ts',
    'this.#o.showCaller ? leg.caller : undefined',
    'leg.caller',
  ),
  one(
    'a lamp that another node has put out stays out',
    'runtime/pbx/reachable.ts',
    'isReachable(before) === reachable && this.#known',
    'this.#known',
    'carrier',
    { weeks: 1, dense: 12, faults: ['loggedOut'] },
  ),
  one(
    'a notice that was only logged counts as sent',
    'core/lifecycle/time.ts',
    'if (!event.observing) forgetObserved(draft);',
    '',
    'small',
    { weeks: 4, dense: 4, faults: ['observes', 'phoneDeaf', 'phoneOff'] },
  ),
  {
    bug: 'a notice that waits for its service goes on when it is no longer true',
    site: 'small',
    worlds: { weeks: 3, dense: 4, faults: ['noticesThrottled', 'phoneDeaf', 'phoneOff', 'opensAtTheEnd'] },
    edits: [
      { file: 'plugin/runtime/bindings/under-way.ts', from: 'if (!NEWS.has(what)) return;', to: 'return;' },
      { file: 'plugin/runtime/bindings/under-way.ts', from: 'if (!isSameLife) push.unwanted();', to: '' },
    ],
  },
  one(
    'a token in common does not make one device',
    'core/identity.ts',
    'if (evidence.targets && shareToken(binding.targets, evidence.targets)) return true;',
    '',
  ),
  one(
    'a phone that comes for its call is not rung',
    'core/wake/waking.ts',
    "if (fresh.state === 'held') goOn(draft, d);\n  else",
    "if (fresh.state === 'dialling')",
  ),
  one(
    'only the first device is pushed',
    'core/wake/begin.ts',
    "else draft.do({ type: 'push', device });",
    "else if (device === draft.devices[0]) draft.do({ type: 'push', device });",
  ),
  one(
    'the ticker dies of the first error of the store',
    'runtime/bindings/ticker.ts',
    "'cannot read what is due, looking again');\n          return false;",
    "'cannot read what is due, looking again');\n          return new Promise<boolean>(() => undefined);",
  ),
  one('no resync when a link comes up', 'runtime/runtime.ts', "if (link) await resync.run(link, 'connect');", ''),
  one(
    'a binding ends without its last word',
    'core/lifecycle/ending.ts',
    "notice: how.silent || !isNotifiable(b) ? 'done' : 'due',",
    "notice: 'done',",
    'small',
    { weeks: 2, dense: 6, faults: ['phoneDeaf', 'phoneOff'] },
  ),
  one(
    'the slower report of a REGISTER takes a phone back to the address that it has left',
    'core/wake/waking.ts',
    'isOvertaken(d, event) || ',
    '',
    'small',
    { weeks: 1, dense: 60, faults: ['movesInCalls', 'secondReport'] },
  ),
  one(
    'the contact of an ended binding stays',
    'runtime/bindings/effects.ts',
    'await link.removeContact(held);',
    '',
    'small',
    { weeks: 1, dense: 60, faults: ['phoneDeaf', 'phoneOff', 'networkChanges'] },
  ),
  one(
    'calls are pushed to devices that are ending',
    'core/wake/begin.ts',
    'if (!target || binding.ending) continue;',
    'if (!target) continue;',
    'small',
    { weeks: 1, dense: 20, faults: ['pushCallsDead', 'tokenRotated', 'phoneOff', 'pushOutage'] },
  ),
  {
    // Each of the two alone is not to be seen from outside: the other one stops the push.
    bug: 'a push is tried again after its deadline',
    site: 'small',
    worlds: { weeks: 1, dense: 10, faults: ['pushOutage', 'pushThrottled', 'pushSlow'] },
    edits: [
      {
        file: 'plugin/runtime/push/retry-delay.ts',
        from: 'return waitMs < leftMs ? waitMs : undefined;',
        to: 'return waitMs;',
      },
      {
        file: 'plugin/runtime/push/one-push.ts',
        from: 'if (nowMs >= this.#deadlineMs) return',
        to: 'if (false) return',
      },
    ],
  },
  one(
    'a dead token takes the contact of a phone that is awake',
    'core/lifecycle/ending.ts',
    "why === 'token-dead' && expiresAt !== undefined",
    'expiresAt === undefined',
    'small',
    { weeks: 1, dense: 20, faults: ['pushCallsDead', 'networkChanges'] },
  ),
];

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The program with the bug in it, in a folder of its own. Throws when the text to be replaced is not there exactly once. */
export function plant({ bug, edits }: Control, folder: string): void {
  for (const part of ['plugin', 'adapters', 'config', 'test/world', 'package.json', 'plugin.manifest.json']) {
    mkdirSync(dirname(join(folder, part)), { recursive: true });
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const { file, from, to } of edits) {
    const path = join(folder, file);
    writeFileSync(path, planted(readFileSync(path, 'utf8'), from, to, bug));
  }
}

export function planted(text: string, from: string, to: string, bug: string): string {
  const pieces = text.split(from);
  if (pieces.length !== 2) throw new Error(`"${bug}" cannot be planted: its text is there ${pieces.length - 1} times`);
  return pieces.join(to);
}

/** Plants each bug and plays worlds until one fails. Answers how many were not found. */
export async function runControls(
  seeds: number,
  weeks: number,
  dense: number,
  only: string,
  print: (text: string) => void,
): Promise<number> {
  let missed = 0;
  for (const control of CONTROLS.filter((c) => c.bug.includes(only))) {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-control-'));
    try {
      plant(control, folder);
      const how = control.worlds ?? { weeks, dense };
      const faults = 'faults' in how ? how.faults : undefined;
      const found = await findingWorld(folder, seeds, { site: control.site, ...how, ...(faults && { faults }) }, print);
      if (!found) missed++;
      print(
        found
          ? `found by seed ${found.seed}: ${control.bug} (${found.oracle})`
          : `NOT FOUND in ${seeds} seeds: ${control.bug}`,
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return missed;
}

/** The first world that fails with the bug and not without it. One that fails without it as well says nothing of the bug. */
async function findingWorld(
  folder: string,
  seeds: number,
  of: Omit<WorldOptions, 'seed'>,
  print: (text: string) => void,
): Promise<{ readonly seed: number; readonly oracle: string } | undefined> {
  for (let from = 1; from <= seeds; ) {
    const said = await played(folder, [
      ...['--from', String(from), '--seeds', String(seeds - from + 1), '--weeks', String(of.weeks)],
      ...['--dense', String(of.dense ?? 1), '--sites', of.site, ...(of.faults ? ['--faults', of.faults.join()] : [])],
    ]);
    const failed = /^seed (\d+), \w+: ([^:]+):/m.exec(said);
    if (!failed) return undefined;
    const seed = Number(failed[1]);
    const itself = (await new World({ ...of, seed }).run()).violation;
    if (!itself) return { seed, oracle: String(failed[2]) };
    print(`seed ${seed} fails without the bug as well (${itself.oracle}); looking on`);
    from = seed + 1;
  }
  return undefined;
}

function played(folder: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['test/world/run.ts', '--shrink', 'no', '--most', '1', ...args], {
      cwd: folder,
    });
    let said = '';
    child.stdout.on('data', (text: Buffer) => {
      said += String(text);
    });
    let wrong = '';
    child.stderr.on('data', (text: Buffer) => {
      wrong += String(text);
    });
    // A copy that does not run finds nothing either.
    child.on('close', () => (said.includes(' worlds, ') ? resolve(said) : reject(new Error(wrong))));
  });
}
