/**
 * Remembers the endpoint by which an AOR was dialled. Calls name both; an AOR alone does not name its endpoint.
 */

import { BoundedMap, upTo } from '../../../plugin/core/bounded-map.ts';

/** Far more than a PBX has AORs whose endpoint has another name; the oldest is forgotten. */
const AT_MOST = 10_000;

export class DialledBy {
  readonly #endpoints = new BoundedMap<string, string>(upTo(AT_MOST));

  set(aorId: string, endpoint: string): void {
    if (endpoint === aorId) this.#endpoints.delete(aorId);
    else this.#endpoints.set(aorId, endpoint);
  }

  /** Returns the endpoint with the AOR's own name when no call has shown another one. */
  endpointOf(aorId: string): string {
    return this.#endpoints.get(aorId) ?? aorId;
  }
}
