/**
 * `pushwake/testing`: the contract suites, one for each kind of adapter, and the clock and log they run on. Needs vitest in the
 * package that uses it.
 */

export { SECOND } from '../../plugin/core/time.ts';
export { Token } from '../../plugin/core/token.ts';
export { FakeClock, NOON, settle } from '../support/fake-clock.ts';
export { type HttpStandIn, startHttpStandIn } from '../support/http-stand-in.ts';
export { RecordedLog } from '../support/recorded-log.ts';
export { bindingStoreContract } from './binding-store.contract.ts';
export { pbxLinkContract } from './pbx-link.contract.ts';
export { type PushContract, type PushHarness, pushProviderContract, requestFor } from './push-provider.contract.ts';
