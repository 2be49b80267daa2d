/** Every oracle of the world. Each is made anew for each world: some remember what they saw. */
import type { Oracle } from '../oracle.ts';
import { everybodyIsPushed, oneClosingWord, oneInviteAtATime, ringsAsWithoutUs, wokenRings } from './calls.ts';
import { endedForAReason, heardOfTheEnd, nothingIsLeftBehind } from './ends.ts';
import { lampsAreRight, noBugs, noLivingContactRemoved, noSecrets, nothingIsOverdue, nothingPilesUp } from './house.ts';
import {
  brakeHolds,
  deadAreLetGo,
  deadByVerdictOnly,
  notWarnedInVain,
  recordsAreSound,
  registeredIsBound,
  renewedByProofOnly,
  warnedBeforeTheEnd,
} from './life.ts';
import { noneForAnEndedCall, noneTooLate, noneToTheDead, noStaleNotice, rightKind } from './pushes.ts';

const ALL = [
  ringsAsWithoutUs,
  oneInviteAtATime,
  wokenRings,
  everybodyIsPushed,
  oneClosingWord,
  noneTooLate,
  rightKind,
  noneToTheDead,
  noStaleNotice,
  noneForAnEndedCall,
  warnedBeforeTheEnd,
  notWarnedInVain,
  deadByVerdictOnly,
  brakeHolds,
  deadAreLetGo,
  endedForAReason,
  heardOfTheEnd,
  nothingIsLeftBehind,
  recordsAreSound,
  renewedByProofOnly,
  registeredIsBound,
  noSecrets,
  noBugs,
  nothingPilesUp,
  nothingIsOverdue,
  lampsAreRight,
  noLivingContactRemoved,
] as const;

export function oracles(): readonly Oracle[] {
  return ALL.map((make) => make());
}
