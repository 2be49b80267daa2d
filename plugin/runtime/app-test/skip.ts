/** This step cannot be carried out: why. A sentence for the report. */
export class Skip extends Error {
  override name = 'Skip';
}
