/** Which device of a call a contact belongs to. */
import { appChosen } from '../binding.ts';
import { isSameDevice } from '../identity.ts';
import { pushParamsOf } from '../push-params.ts';
import type { StoredContact, Wake, WakeDevice } from './types.ts';

export function deviceOf(wake: Wake, contact: StoredContact): WakeDevice | undefined {
  const params = pushParamsOf(contact.uri, appChosen(wake.devices.map((d) => d.binding)));
  const evidence = {
    pbx: wake.pbx,
    uri: contact.uri,
    ...(params.kind === 'push' ? { targets: params.targets } : {}),
    ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
  };
  return wake.devices.find((d) => isSameDevice(d.binding, evidence));
}
