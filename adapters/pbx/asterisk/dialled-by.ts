/**
 * Remembers the endpoint by which an AOR was dialled. Calls name both; an AOR alone does not name its endpoint.
 */

/** Far more than a PBX has AORs whose endpoint has another name; the oldest is forgotten. */
const AT_MOST = 10_000;

export class DialledBy {
  readonly #endpoints = new Map<string, string>();

  set(aorId: string, endpoint: string): void {
    this.#endpoints.delete(aorId);
    if (endpoint === aorId) return;
    this.#endpoints.set(aorId, endpoint);
    const oldest = this.#endpoints.size > AT_MOST ? this.#endpoints.keys().next().value : undefined;
    if (oldest !== undefined) this.#endpoints.delete(oldest);
  }

  /** Returns the endpoint with the AOR's own name when no call has shown another one. */
  endpointOf(aorId: string): string {
    return this.#endpoints.get(aorId) ?? aorId;
  }
}
