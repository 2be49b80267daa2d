/** Oracles of the house: no secret goes out, nothing piles up, nothing is forgotten, lamps are right, no living contact is removed. */
import type { Aor } from '../../../plugin/core/aor.ts';
import { type DurationMs, HOUR, MINUTE, SECOND } from '../../../plugin/core/time.ts';
import { CALLER_MARK } from '../call.ts';
import type { Oracle } from '../oracle.ts';
import type { Pbx } from '../pbx.ts';
import { TOKEN_MARK } from '../phone.ts';
import type { World } from '../world.ts';
import { ALL_BUT_PHONES, isCalm, liveOf, MACHINES } from './support.ts';

export function noSecrets(): Oracle {
  const isSecret = (text: string) => text.includes(TOKEN_MARK) || text.includes(CALLER_MARK);
  const holdsSecret = (value: unknown) =>
    typeof value === 'string' ? isSecret(value) : typeof value === 'object' && isSecret(JSON.stringify(value));
  return {
    name: 'no secret goes out',
    why: 'Promise 3: a token in a log lets anybody push; who calls is nobody’s business.',
    logged({ message, fields }, world) {
      // Most fields are short texts: asked one by one, they cost a tenth of a whole line as JSON.
      let isOut = isSecret(message);
      for (const name in fields) isOut ||= isSecret(name) || holdsSecret(fields[name]);
      if (isOut) world.fail('no secret goes out', `in the log line "${message}"`);
    },
    attempted({ request }, world) {
      if (isSecret(JSON.stringify(request)))
        world.fail('no secret goes out', `in a push of purpose ${request.purpose}`);
    },
  };
}

const OF_A_BUG = /^(effect failed|registration event failed|call event failed|what follows from a push went wrong)$/;

export function noBugs(): Oracle {
  return {
    name: 'nothing goes wrong inside',
    why: 'These lines are logged where our own code threw.',
    logged({ message, fields }, world) {
      if (OF_A_BUG.test(message)) world.fail('nothing goes wrong inside', `${message}: ${String(fields.reason)}`);
    },
  };
}

/** Beside what runs always: the ticker, a sweep for each link, the census. */
const TIMERS_AT_REST = 12;

export function nothingPilesUp(): Oracle {
  return {
    name: 'nothing piles up',
    why: 'A timer, a waiting call or a watched account that nobody takes away costs memory for ever.',
    hourly(world) {
      if (!isCalm(world, ALL_BUT_PHONES, 2 * HOUR)) return;
      const calls = world.pbxs.reduce((n, pbx) => n + pbx.calls.size, 0);
      const isBusy = world.recentCallMs !== undefined && world.time.nowMs - world.recentCallMs < 3 * MINUTE;
      if (calls > 0 || isBusy) return;
      for (const node of world.nodes) {
        const waiting = node.runtime?.status.status().waiting ?? 0;
        if (waiting > 0)
          world.fail('nothing piles up', `${waiting} calls wait at node ${node.o.index}, and nobody calls`);
        const under = node.runtime?.status.pushes().providers.reduce((n, p) => n + p.inFlight + p.queued, 0) ?? 0;
        if (node.clock.pending > TIMERS_AT_REST + 3 * under)
          world.fail('nothing piles up', `${node.clock.pending} timers at node ${node.o.index}`);
        for (const link of node.links) {
          if (link.watched.size > 0)
            world.fail(
              'nothing piles up',
              `${link.watched.size} accounts are watched at ${link.name}, and nobody calls`,
            );
        }
      }
    },
  };
}

export function nothingIsOverdue(): Oracle {
  const written = new Map<Aor, number>();
  return {
    name: 'nothing is overdue',
    why: 'What is due and never done is a notice that never comes and a binding that never ends.',
    committed({ aor }, world) {
      written.set(aor, world.time.nowMs);
    },
    hourly(world) {
      if (!isCalm(world, MACHINES, 3 * HOUR)) return;
      const now = world.nodes[0]?.clock.now() ?? 0;
      for (const { aor, dueAt } of world.store.all) {
        // What was done a moment ago left the rest of it, which has been due for long, to the next round.
        if (world.time.nowMs - (written.get(aor) ?? 0) < 2 * MINUTE) continue;
        if (dueAt !== undefined && now - dueAt > 15 * MINUTE)
          world.fail('nothing is overdue', `${aor} since ${Math.round((now - dueAt) / MINUTE)} min`);
      }
    },
  };
}

/** How soon a lamp follows the record, in ms. */
const LAMP_FOLLOWS: DurationMs = 5 * SECOND;

export function lampsAreRight(): Oracle {
  const look = (aor: Aor, pbx: Pbx, world: World) => {
    const is = liveOf(world.store.record(aor)).length > 0;
    const said = pbx.reachable.get(aor) ?? false;
    if (said !== is) world.fail('lamps are right', `${aor} is said to be ${said ? '' : 'un'}reachable at ${pbx.name}`);
  };
  return {
    name: 'lamps are right',
    why: 'A queue passes over a phone that is said to be unreachable; FreeSWITCH asks us only for accounts that are marked.',
    committed({ aor, before, after }, world) {
      if (liveOf(before).length > 0 === liveOf(after).length > 0) return;
      // A sweep puts right within a quarter of an hour what was missed: too late for the calls until then.
      world.time.after(LAMP_FOLLOWS, () => {
        if (isCalm(world, MACHINES, 15 * MINUTE)) look(aor, world.pbxOf(aor), world);
      });
    },
    hourly(world) {
      if (!isCalm(world, MACHINES, 1 * HOUR)) return;
      for (const { aor, pbx } of world.accounts) {
        // What a backup does not know of is put out by nobody: at each REGISTER since it is bound again.
        if (world.store.record(aor) === undefined && world.faulty.had(['backupRestored'], 0)) continue;
        look(aor, pbx, world);
      }
    },
  };
}

export function noLivingContactRemoved(): Oracle {
  return {
    name: 'no living contact is removed',
    why: 'A phone that is awake and listens there would have rung without us.',
    removes(link, { aor, uri }, world) {
      for (const phone of link.pbx.phones.get(aor as Aor) ?? []) {
        if (phone.listens.get(aor as Aor) !== uri) continue;
        world.fail('no living contact is removed', `${phone.name} listens there for ${aor}`);
      }
    },
  };
}
