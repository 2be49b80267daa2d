/** Mutants that no test can notice, or need not, with the reason. */
export interface Accepted {
  readonly file: string;
  /** The line of code as it stands, without what is before it. */
  readonly code: string;
  readonly from: string;
  readonly why: string;
}

export const ACCEPTED: readonly Accepted[] = [];
