/**
 * The places where a crash must lose nothing: between loading, saving and sending. The crash test kills the process at each
 * of them; a new one joins that test by being named here. Costs one function call each.
 */
export const BOUNDARIES = [
  'record loaded',
  'change decided',
  'change saved',
  'push to be sent',
  'push answered',
  'answer saved',
  'contact to be removed',
  'contact removed',
  'removal saved',
] as const;

/** Of texts for sleeping phones: `test/crash/texts.test.ts` kills at these. */
export const TEXT_BOUNDARIES = [
  'text to be saved',
  'text saved',
  'text answered',
  'text marked',
  'text to be sent',
  'text taken',
  'text noted',
] as const;

export type Boundary = (typeof BOUNDARIES)[number] | (typeof TEXT_BOUNDARIES)[number];

let heard: ((boundary: Boundary) => void) | undefined;

export function atBoundary(boundary: Boundary): void {
  heard?.(boundary);
}

/** For the crash test only. */
export function onBoundary(listener: (boundary: Boundary) => void): void {
  heard = listener;
}
