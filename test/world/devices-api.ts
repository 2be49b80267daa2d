/**
 * The devices listener as apps reach it: one name, behind it any node that is up. What an app says there goes to the same `reports` of the
 * runtime that the real listener hands it to.
 */
import type { Taken } from '../../plugin/http/account.ts';
import type { Runtime } from '../../plugin/runtime/runtime.ts';
import type { Chance } from './chance.ts';
import type { Node } from './node.ts';
import type { WorldTime } from './time.ts';

export type SaidOverHttp = (reports: Runtime['reports']) => Promise<Taken>;

export class DevicesApi {
  readonly #time: WorldTime;
  readonly #chance: Chance;
  readonly #nodes: () => readonly Node[];
  readonly #answered: (status: 204 | 429 | 500) => void;

  constructor(
    time: WorldTime,
    chance: Chance,
    nodes: () => readonly Node[],
    answered: (status: 204 | 429 | 500) => void,
  ) {
    this.#time = time;
    this.#chance = chance;
    this.#nodes = nodes;
    this.#answered = answered;
  }

  /** `arrived`: a node begins to work on it. `failed`: nobody was there, or it could not be taken; the app may say it again. */
  send(said: SaidOverHttp, arrived: () => void, failed: () => void): void {
    this.#time.after(this.#chance.int(30, 400), () => {
      const up = this.#nodes().filter((node) => node.isUp);
      if (up.length === 0) return failed();
      const node = this.#chance.pick(up);
      const { clock } = node;
      clock.deliver(() => {
        const { runtime } = node;
        // A new life of it does not know the connection.
        if (!runtime || node.clock !== clock) return failed();
        arrived();
        said(runtime.reports).then(
          (taken) => {
            if (clock.isDead) return;
            this.#answered(taken === 'taken' ? 204 : 429);
            if (taken !== 'taken') failed();
          },
          () => {
            if (clock.isDead) return;
            this.#answered(500);
            failed();
          },
        );
      });
    });
  }
}
