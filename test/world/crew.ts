/** Plays worlds in several processes, this one among them: one world is one core's work, and no two of them share anything. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Fault } from './faults.ts';
import type { Violation } from './oracle.ts';
import { shrunk } from './shrink.ts';
import { World, type WorldOptions } from './world.ts';

export interface Job {
  readonly world: WorldOptions;
  /** Looks for a shorter story where it fails. */
  readonly shrink: boolean;
}

/** What is left of a world that was played, small enough to be sent from one process to another. */
export interface Played {
  readonly world: WorldOptions;
  readonly violation: Violation | undefined;
  readonly counts: readonly (readonly [string, number])[];
  readonly story: readonly string[];
  readonly faults: number;
  /** The shortest plan that still fails in the same way, with its own story. */
  readonly shortest:
    | { readonly violation: Violation; readonly plan: readonly Fault[]; readonly story: readonly string[] }
    | undefined;
}

export async function play({ world, shrink }: Job): Promise<Played> {
  const result = await new World(world).run();
  const { violation, story, plan, coverage } = result;
  const short = violation && shrink ? await shrunk(result, world) : undefined;
  return {
    world,
    violation,
    counts: [...coverage.counts],
    story: violation || world.story ? story : [],
    faults: plan.length,
    shortest: short?.violation && { violation: short.violation, plan: short.plan, story: short.story },
  };
}

/**
 * Plays all jobs and calls `done` with each as it ends, in whatever order; no job begins once `done` has answered false.
 * Rejects when a process of the crew ends by itself.
 */
export async function playAll(
  jobs: Iterable<Job>,
  processes: number,
  done: (played: Played) => boolean,
): Promise<void> {
  const left = jobs[Symbol.iterator]();
  let goesOn = true;
  const next = (): Job | undefined => (goesOn ? left.next().value : undefined);
  const children = Array.from({ length: processes - 1 }, () => fork(fileURLToPath(import.meta.url)));
  const players = [play, ...children.map((child) => (job: Job) => ask(child, job))];
  try {
    await Promise.all(
      players.map(async (player) => {
        for (let job = next(); job; job = next()) {
          const more = done(await player(job));
          goesOn &&= more;
        }
      }),
    );
  } finally {
    for (const child of children) child.kill();
  }
}

function ask(child: ChildProcess, job: Job): Promise<Played> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a process of the crew ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (played) => {
      child.off('exit', ended);
      resolve(played as Played);
    });
    child.send(job);
  });
}

// As a process of the crew.
if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  // Ctrl-C goes to all processes of a terminal; the first one says when it is over.
  process.on('SIGINT', () => undefined);
  process.on('message', (job) => {
    void play(job as Job).then((played) => process.send?.(played));
  });
}
