/** Which device of a call a contact belongs to. */
import { appChosen } from '../binding.ts';
import { isSameDevice } from '../identity.ts';
import { pushParamsOf } from '../push-params.ts';
import type { StoredContact, WakeDevice } from './types.ts';

export function deviceOf<D extends WakeDevice>(
  call: { readonly pbx: string; readonly devices: readonly D[] },
  contact: StoredContact,
): D | undefined {
  const params = pushParamsOf(contact.uri, appChosen(call.devices.map((d) => d.binding)));
  const evidence = {
    pbx: call.pbx,
    uri: contact.uri,
    ...(params.kind === 'push' ? { targets: params.targets } : {}),
    ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
  };
  return call.devices.find((d) => isSameDevice(d.binding, evidence));
}
