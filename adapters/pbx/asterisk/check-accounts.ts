/** Finds settings of accounts that harm a sleeping phone. Yields one finding per setting, with the accounts it concerns. */
import type { Finding } from '../../../plugin/ports/finding.ts';
import type { AriProbe } from './probe.ts';

/** How many accounts are examined one by one at most; further ones come from the same templates. */
const LOOKED_AT = 1_000;
const AT_ONCE = 8;
const NAMED = 5;

export interface Account {
  readonly id: string;
  /** The first of its AORs that phones may register with. */
  readonly aor: ReadonlyMap<string, string>;
  readonly endpoint: ReadonlyMap<string, string>;
}

interface Rule {
  readonly what: string;
  readonly level: 'warn' | 'fail';
  readonly applies: (account: Account, all: readonly Account[]) => boolean;
  readonly found: (accounts: readonly Account[]) => string;
  readonly remedy: string;
}

const of = (account: Account, key: string): string => account.aor.get(key) ?? account.endpoint.get(key) ?? '';
const isOn = (account: Account, key: string): boolean => /^(yes|true|1|on)$/i.test(of(account, key));
const first = (accounts: readonly Account[], key: string): string => (accounts[0] ? of(accounts[0], key) : '');

const RULES: readonly Rule[] = [
  {
    what: 'max_contacts',
    level: 'fail',
    applies: (a) => Number(of(a, 'max_contacts')) < 2 && !isOn(a, 'remove_existing'),
    found: (all) =>
      `is ${first(all, 'max_contacts')} with remove_existing=no: an app that wakes on another port is refused with 403`,
    remedy: 'set it to at least twice the number of devices, or remove_existing=yes where an account has one device',
  },
  {
    what: 'qualify_frequency',
    level: 'warn',
    applies: (a) => Number(of(a, 'qualify_frequency')) > 0,
    found: (all) => `is ${first(all, 'qualify_frequency')}: OPTIONS to a sleeping phone make it look dead`,
    remedy: 'set it to 0 for the AORs of mobiles',
  },
  {
    what: 'rewrite_contact',
    level: 'warn',
    // A browser's contact is rewritten by the WebSocket transport itself.
    applies: (a) => !isOn(a, 'rewrite_contact') && !speaksWebrtc(a.endpoint),
    found: () => 'is off: behind NAT the INVITE misses the phone, and contacts of closed connections stay',
    remedy: 'set rewrite_contact=yes for the endpoints of mobiles (with TLS or TCP), unless an edge proxy does that',
  },
  {
    // Off is right without a proxy, so only a site that uses it elsewhere gets a finding where it is missing.
    what: 'support_path',
    level: 'warn',
    applies: (a, all) => !isOn(a, 'support_path') && all.some((other) => isOn(other, 'support_path')),
    found: () => 'is off here and on elsewhere: phones that register through an edge proxy are refused or not found',
    remedy: 'set support_path=yes for every AOR that registers through the proxy',
  },
];

/** By the one line, or by the lines that it stands for (FreePBX writes those). */
export function speaksWebrtc(endpoint: ReadonlyMap<string, string>): boolean {
  const isOn = (key: string) => /^(yes|true|1|on)$/i.test(endpoint.get(key) ?? '');
  return isOn('webrtc') || (endpoint.get('media_encryption') === 'dtls' && isOn('use_avpf') && isOn('ice_support'));
}

/** Undefined: they cannot be listed. */
export async function readAccounts(ari: AriProbe): Promise<readonly Account[] | undefined> {
  const { status, body } = await ari.ask('GET', 'endpoints/PJSIP');
  // Asterisk knows the technology only once there is an endpoint.
  if (status === 404) return [];
  if (status !== 200 || !Array.isArray(body)) return undefined;
  const ids = (body as { resource: string }[]).map((e) => e.resource).slice(0, LOOKED_AT);
  return (await inTurn(ids, (id) => readAccount(ari, id))).filter((a) => a !== undefined);
}

export function* checkAccounts(accounts: readonly Account[] | undefined): Iterable<Finding> {
  if (accounts === undefined) {
    const remedy = 'run `asterisk -rx "pjsip show endpoints"`';
    yield { level: 'warn', what: 'accounts', found: 'cannot be listed', remedy };
    return;
  }
  if (accounts.length === 0) {
    const remedy =
      'phones need an endpoint with an AOR in pjsip.conf; where it has some, Asterisk has refused the file: its log says why at `module reload res_pjsip.so` ("Could not find template": its #include must stand above)';
    yield { level: 'fail', what: 'accounts', found: 'no endpoint that phones could register with', remedy };
    return;
  }
  const troubled = new Set<Account>();
  for (const { what, level, applies, found, remedy } of RULES) {
    const all = accounts.filter((a) => applies(a, accounts));
    if (all.length === 0) continue;
    for (const a of all) troubled.add(a);
    yield { level, what, found: `${found(all)} (${named(all)})`, remedy };
  }
  const fine = accounts.length - troubled.size;
  if (fine > 0)
    yield { level: 'ok', what: 'accounts', found: `${fine} of ${accounts.length} have every setting as it should be` };
}

/** Undefined: no account of a phone (a trunk, say). */
async function readAccount(ari: AriProbe, id: string): Promise<Account | undefined> {
  const endpoint = await ari.pjsip('endpoint', id);
  const names = (endpoint?.get('aors') ?? '').split(',').flatMap((name) => name.trim() || []);
  if (!endpoint) return undefined;
  for (const name of names) {
    const aor = await ari.pjsip('aor', name);
    if (aor && Number(aor.get('max_contacts')) > 0) return { id, aor, endpoint };
  }
  return undefined;
}

function named(accounts: readonly Account[]): string {
  const ids = accounts.slice(0, NAMED).map((a) => a.id);
  return accounts.length > NAMED ? `${ids.join(', ')} and ${accounts.length - NAMED} more` : ids.join(', ');
}

async function inTurn<A, B>(all: readonly A[], work: (one: A) => Promise<B>): Promise<B[]> {
  const results: B[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < all.length; i = next++) results[i] = await work(all[i] as A);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, all.length) }, worker));
  return results;
}
