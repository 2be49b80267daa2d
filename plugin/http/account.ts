/** Who asks on the devices listener: an account, proved by its key. Wrong key, wrong realm and no account look the same. */
import { type Aor, parseAor } from '../core/aor.ts';
import type { Targets } from '../core/binding.ts';
import type { ReceiptSaid } from '../core/signs.ts';
import { isAccountKey } from './account-key.ts';

/** What the devices listener hands on; the runtime keeps it in its bounds. */
export interface DeviceReports {
  report(aor: Aor, device: NamedDevice, targets: Targets): Promise<Taken>;
  withdraw(aor: Aor, device: NamedDevice, targets: Targets): Promise<Taken>;
  receipt(aor: Aor, device: NamedDevice, said: ReceiptSaid): Promise<Taken>;
}

export interface NamedDevice {
  readonly installId?: string;
  readonly selector?: string;
  /** The language of the device, as a BCP 47 tag. */
  readonly locale?: string;
}

export type Taken = 'taken' | 'too many';

export interface DeviceOptions {
  readonly reports: DeviceReports;
  /** `http.devices.accountSecret`. */
  readonly secret: string;
  /** Whether a PBX of the configuration has such accounts. */
  readonly serves: (aor: Aor) => boolean;
  /** Names of the configured push services. */
  readonly services: ReadonlySet<string>;
}

export const REFUSED = {
  error: 'expected an account of this server and its key; print both with pushwake acrobits-xml',
};
export const TOO_MANY = { error: 'too many reports for this account within a minute' };

/** The account, if the key is its own. */
export function accountOf(o: DeviceOptions, account: string | undefined, key: string | undefined): Aor | undefined {
  if (account === undefined || key === undefined || key.length > 100) return undefined;
  const aor = parseAor(account);
  if (!aor || !isAccountKey(o.secret, aor, key)) return undefined;
  return o.serves(aor) ? aor : undefined;
}
