/** What the end of a leg says: whether its phone said it, or the network, or its own ring time was over. Pure. */
import { Cause } from '../../../../plugin/core/wake.ts';
import { causeOf } from './causes.ts';

export interface PhonesWord {
  /** Said by the phone itself, on a connection of its own: whatever it is, the phone lives and has refused the call. */
  readonly isOwn: boolean;
  /** Busy or declined: somebody may have said it. */
  readonly isPersons: boolean;
  /** The leg had rung for as long as it may, and nobody refused anything. */
  readonly isTimeUp: boolean;
  /** For the core. */
  readonly cause: number;
}

/** `name`: FreeSWITCH's cause. `dial`: what the leg dialled. `byPhone`: a SIP answer came that FreeSWITCH does not make itself. */
export function readEnd(dial: string | undefined, name: string, byPhone: boolean): PhonesWord {
  const isOwn = byPhone && dial !== undefined && IS_CONNECTED.test(dial) && !dial.includes(';fs_path=');
  const isPersons = SAID_BY_A_PERSON.has(name);
  return {
    isOwn,
    isPersons,
    isTimeUp: (name === 'NO_ANSWER' || name === 'ALLOTTED_TIMEOUT') && !isOwn,
    cause: isOwn && !isPersons ? Cause.rejected : causeOf(name),
  };
}

/** `true`, or names of causes with commas between; `!` in front: all but these. FreeSWITCH's own reading of `fail_on_single_reject`. */
export function failsOn(list: string | undefined, cause: string): boolean {
  if (list === undefined) return false;
  if (/^(?:true|yes|on|enable|enabled|active|allow)$/i.test(list) || /^[1-9]\d*$/.test(list)) return true;
  return list.toUpperCase().includes(cause) !== list.startsWith('!');
}

const IS_CONNECTED = /;transport=(?:tcp|tls|wss?)(?:;|$)/i;
const SAID_BY_A_PERSON: ReadonlySet<string> = new Set(['USER_BUSY', 'CALL_REJECTED']);
