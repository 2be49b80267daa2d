/** Every oracle of the world. Each is made anew for each world: some remember what they saw. */
import type { Oracle } from '../oracle.ts';
import { everybodyIsPushed, oneClosingWord, oneInviteAtATime, ringsAsWithoutUs, wokenRings } from './calls.ts';
import { lampsAreRight, noBugs, noLivingContactRemoved, noSecrets, nothingIsOverdue, nothingPilesUp } from './house.ts';
import {
  brakeHolds,
  deadByVerdictOnly,
  notWarnedInVain,
  recordsAreSound,
  registeredIsBound,
  renewedByProofOnly,
  warnedBeforeTheEnd,
} from './life.ts';
import { noneTooLate, noneToTheDead, noStaleNotice, rightKind } from './pushes.ts';

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
  warnedBeforeTheEnd,
  notWarnedInVain,
  deadByVerdictOnly,
  brakeHolds,
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
