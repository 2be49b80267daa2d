/** Which `pushwake-extensions.conf` an Asterisk has, beside the one that this pushwake came with. */
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';

/** Of `config/asterisk/pushwake-extensions.conf`, which names it as an extension of `pushwake-version` and to Stasis. */
export const DIALPLAN_VERSION = 9;
/** Up to this version it read what another channel executes (ADR 0148). */
export const CRASHES_UNTIL = 7;

export const COPY_ANEW = 'copy config/asterisk/pushwake-extensions.conf to /etc/asterisk anew, then `dialplan reload`';

const OLD = `pushwake-extensions.conf is an old copy: with those of versions 1 to ${CRASHES_UNTIL} Asterisk can crash`;
const ANOTHER = 'pushwake-extensions.conf is of another version of pushwake';

/** Who upgrades pushwake and leaves that file as it was may never run `check`: the first call says it to the log, once. */
export class DialplanVersion {
  readonly #deps: Pick<AdapterDeps, 'log' | 'name'>;
  #isSaid = false;

  constructor(deps: Pick<AdapterDeps, 'log' | 'name'>) {
    this.#deps = deps;
  }

  /** `version`: as a call brings it; undefined: the copy is older than those that say it (version 9). */
  seen(version: number | undefined): void {
    if (version === DIALPLAN_VERSION || this.#isSaid) return;
    this.#isSaid = true;
    const { log, name: pbx } = this.#deps;
    const found = version === undefined ? {} : { version };
    log.warn({ pbx, ...found, expected: DIALPLAN_VERSION, hint: COPY_ANEW }, version === undefined ? OLD : ANOTHER);
  }
}
