/** The shapes of sites, and who has which phone there. */
import { type Aor, parseAor } from '../../plugin/core/aor.ts';
import type { Chance } from './chance.ts';
import type { FaultKind } from './faults.ts';
import type { Pbx, PbxKind } from './pbx.ts';
import type { PhoneOptions } from './phone.ts';
import type { ServiceName } from './push-service.ts';

export interface SiteShape {
  readonly nodes: number;
  readonly store: 'sqlite' | 'redis';
  /** `kind` absent: drawn. */
  readonly pbxs: readonly { readonly name: string; readonly realm: string; readonly kind?: PbxKind }[];
  readonly phones: number;
  /** The store is counted in the background, as where the admin listener is on. */
  readonly counts: boolean;
  readonly without: ReadonlySet<FaultKind>;
}

/** One process cannot lose the answers of its own file, nor can that forget what it wrote. */
const OF_A_NETWORK: ReadonlySet<FaultKind> = new Set(['storeLosesAnswers', 'storeFailover']);

export const SITES = {
  /** A practice: ten phones, one PBX, one process. */
  small: {
    nodes: 1,
    store: 'sqlite',
    pbxs: [{ name: 'office', realm: 'example.com' }],
    phones: 10,
    counts: true,
    without: OF_A_NETWORK,
  },
  /** A company: a hundred phones, one PBX, one process. */
  office: {
    nodes: 1,
    store: 'sqlite',
    pbxs: [{ name: 'office', realm: 'example.com' }],
    phones: 100,
    counts: false,
    without: OF_A_NETWORK,
  },
  /** Two nodes over one Redis, a PBX of each kind. */
  carrier: {
    nodes: 2,
    store: 'redis',
    pbxs: [
      { name: 'north', realm: 'north.example.com', kind: 'asterisk' },
      { name: 'south', realm: 'south.example.com', kind: 'freeswitch' },
    ],
    phones: 30,
    counts: false,
    // A process may end at a boundary only where it is known which one that is.
    without: new Set<FaultKind>(['nodeCrashes']),
  },
} as const satisfies Record<string, SiteShape>;

export type SiteName = keyof typeof SITES;

export interface Population {
  readonly accounts: readonly { readonly aor: Aor; readonly pbx: Pbx; readonly desk: boolean }[];
  readonly phones: readonly (Omit<PhoneOptions, 'name' | 'service' | 'api' | 'tokens' | 'time' | 'chance' | 'tell'> & {
    readonly service: ServiceName;
  })[];
}

/** Mostly one phone with one account; some accounts have two phones, some phones two accounts, some accounts a desk phone. */
export function peopleOf(shape: SiteShape, pbxs: readonly Pbx[], draw: Chance): Population {
  const accounts: { aor: Aor; pbx: Pbx; desk: boolean }[] = [];
  const phones: Population['phones'][number][] = [];
  for (let i = 0; i < shape.phones; i++) {
    const pbx = draw.pick(pbxs);
    const mine = accounts.filter((a) => a.pbx === pbx);
    const shares = mine.length > 0 && draw.happens(0.2);
    const account = shares ? draw.pick(mine) : { aor: accountOf(i, pbx), pbx, desk: draw.happens(0.2) };
    if (!shares) accounts.push(account);
    const more = mine.length > 0 && draw.happens(0.15) ? draw.pick(mine).aor : undefined;
    const ofPhone = [account.aor, ...(more === undefined || more === account.aor ? [] : [more])];
    const platform = draw.happens(0.55) ? 'ios' : 'android';
    const habit = draw.next();
    const reports = draw.happens(0.2);
    const own: ServiceName = platform === 'ios' ? 'apns' : 'fcm';
    // Those of Acrobits and of browsers are known by HTTP alone.
    const service: ServiceName = !reports || draw.happens(0.4) ? own : platform === 'ios' ? 'pnm' : 'webpush';
    phones.push({
      platform,
      voipOnly: platform === 'ios' && draw.happens(0.2),
      habit: habit < 0.45 ? 'daily' : habit < 0.7 ? 'weekly' : habit < 0.9 ? 'never' : 'always',
      reports,
      service,
      transport: draw.happens(0.7) ? 'tls' : 'udp',
      accounts: ofPhone,
      pbx,
    });
  }
  return { accounts, phones };
}

function accountOf(i: number, pbx: Pbx): Aor {
  const aor = parseAor(`${1001 + i}@${pbx.o.realm}`);
  if (!aor) throw new Error('not an account');
  return aor;
}
