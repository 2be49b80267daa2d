/**
 * Finds what is wrong now, and what to do about it. Pure: it reads the state of the running pushwake. It lists only problems that need a
 * person; what recovers within seconds is left out.
 */
import { refuserOf, remedyOfTrouble } from '../../core/push-remedies.ts';
import { between, DAY, type DurationMs, type Instant } from '../../core/time.ts';
import { TROUBLES, type TroubleCause } from '../../core/trouble.ts';
import type {
  Alarm,
  BrakeState,
  HeapState,
  LinkState,
  NodeState,
  ReceiverState,
  ServiceState,
  StoreState,
} from '../../ports/status.ts';
import { length, several } from './times.ts';

export interface Problem {
  /** `bad`: calls or notices are lost now, or will be within days. */
  readonly level: 'bad' | 'warn';
  readonly what: string;
  /** The consequence, and the reason as far as it is known. */
  readonly why: string;
  readonly remedy: string;
  /** A command that helps, as it is typed. */
  readonly command?: string;
  readonly since?: Instant;
}

export interface State {
  readonly now: Instant;
  readonly ready: boolean;
  readonly brake: readonly BrakeState[];
  readonly links: readonly LinkState[];
  readonly services: readonly Pick<ServiceState, 'provider' | 'breaker' | 'trouble' | 'proxy' | 'credentials'>[];
  readonly alarms: readonly Alarm[];
  readonly store: StoreState;
  readonly heap?: HeapState;
  readonly nodes: readonly NodeState[];
  readonly receivers: readonly ReceiverState[];
  /** Certificates of our own listeners. */
  readonly listeners: readonly { readonly name: string; readonly endsAt?: Instant }[];
  readonly seldom: number;
  readonly troubles: Readonly<Partial<Record<TroubleCause, number>>>;
  readonly incomplete?: string;
}

/** How long before a certificate ends the page warns, in ms. */
export const CREDENTIAL_WARNED: DurationMs = 30 * DAY;
const CREDENTIAL_BAD: DurationMs = 7 * DAY;
/** How many events may wait for a receiver before it is a problem: a receiver may be slow for a moment. */
const EVENTS_WAIT = 100;

/** The worst first. */
export function problemsOf(state: State): Problem[] {
  const all = [
    ...storeProblems(state),
    ...heapProblems(state),
    ...linkProblems(state),
    ...nodeProblems(state),
    ...serviceProblems(state),
    ...brakeProblems(state),
    ...credentialProblems(state),
    ...receiverProblems(state),
    ...countProblems(state),
  ];
  return all.sort((a, b) => Number(a.level === 'warn') - Number(b.level === 'warn'));
}

function storeProblems({ store }: State): Problem[] {
  if (!store.trouble) return [];
  const waiting = store.unsaved > 0 ? ` What happened to ${several(store.unsaved, 'account')} waits to be saved.` : '';
  return [
    {
      level: 'bad',
      what: `The store (${store.name}) does not answer`,
      why: `Calls go on from what was seen last; no notice is sent and nothing ends meanwhile.${waiting} It says: ${store.trouble.reason}`,
      remedy:
        store.name === 'redis'
          ? 'Is Redis running, and can it be reached from this machine? See store.url in the configuration.'
          : 'Is the disk full or read-only, or does another program hold the file? See store.path in the configuration.',
      command: 'pushwake check',
      since: store.trouble.since,
    },
  ];
}

function heapProblems({ heap }: State): Problem[] {
  if (heap?.trouble === undefined) return [];
  return [
    {
      level: 'bad',
      what: 'The memory of pushwake may not do',
      why: `${heap.trouble[0]?.toUpperCase()}${heap.trouble.slice(1)}. At the limit the process ends; its service manager starts it again, and calls ring as without pushwake meanwhile.`,
      remedy:
        'Give the machine or the container more memory, or take away --max-old-space-size where NODE_OPTIONS sets it.',
    },
  ];
}

function linkProblems({ links }: State): Problem[] {
  return links
    .filter((l) => !l.up)
    .map((l) => ({
      level: 'bad',
      what: `The link to the PBX "${l.name}" is down`,
      why: `Its calls ring only the phones that are awake, as without pushwake.${l.reason === undefined ? '' : ` The last reason: ${l.reason}.`}`,
      remedy: l.remote
        ? 'Another node runs this link: is that node running?'
        : 'Is the PBX running? Do address, user and password under pbx in the configuration fit those of the PBX?',
      command: 'pushwake check',
      ...(l.downSince === undefined ? {} : { since: l.downSince }),
    }));
}

function nodeProblems({ nodes, store }: State): Problem[] {
  // While the store is away nobody hears of the others.
  if (store.trouble) return [];
  const silent = nodes
    .filter(({ state }) => state === 'silent')
    .map(
      ({ name, silentMs }): Problem => ({
        level: 'bad',
        what: `The node ${name} is silent for ${length(silentMs)}`,
        why: 'Calls of its PBX go to another node, or ring as without pushwake where there is none. Its due work is done by the others.',
        remedy: 'Is it running, and does it reach Redis? A node that is gone for good is forgotten after a day.',
        command: 'pushwake status',
      }),
    );
  const late = nodes
    .filter(({ state }) => state === 'late')
    .map(
      ({ name, lateMs, silentMs }): Problem => ({
        level: 'warn',
        what: `The node ${name} lags`,
        why: `Its main loop was up to ${lateMs ?? 0} ms late, and it announced itself ${length(silentMs)} ago. Calls there wait longer for their push.`,
        remedy: 'Is its machine too busy, or was it stopped for a while?',
      }),
    );
  const versions = [...new Set(nodes.flatMap(({ state, version }) => (state === 'drained' ? [] : (version ?? []))))];
  const mixed: Problem = {
    level: 'warn',
    what: `The nodes run different versions: ${versions.join(', ')}`,
    why: 'They understand each other during an upgrade, two versions back.',
    remedy: 'Upgrade the others.',
    command: 'pushwake drain',
  };
  return [...silent, ...late, ...(versions.length > 1 ? [mixed] : [])];
}

function serviceProblems({ services, alarms }: State): Problem[] {
  const refused = alarms.map(
    ({ provider, app, outcome }): Problem => ({
      level: outcome.scope === 'device' ? 'warn' : 'bad',
      what: `${refuserOf(provider, outcome.reason, services.find((s) => s.provider === provider)?.proxy)} refuses pushes for ${app}`,
      why: `${outcome.reason}. No binding is lost by it; its phones are not woken until it is mended.`,
      remedy: `${outcome.hint}.`,
      command: 'pushwake check',
    }),
  );
  const away = services
    .filter((s) => s.breaker === 'open' || s.trouble !== undefined)
    .map(({ provider, breaker, proxy, trouble = 'no answer' }): Problem => {
      const isOut = breaker !== 'closed';
      return {
        level: isOut ? 'bad' : 'warn',
        what: isOut
          ? `The push service ${provider} does not answer`
          : `The push service ${provider} did not take its last push`,
        why: `Last answer: ${trouble}.${proxy === undefined ? '' : ` Pushes go through the proxy ${proxy}.`} Pushes wait and are tried again, those of calls every second.`,
        remedy: remedyOfTrouble(trouble),
        command: 'pushwake check',
      };
    });
  return [...refused, ...away];
}

function brakeProblems({ brake }: State): Problem[] {
  return brake.map(({ app, reason, since }) =>
    app === undefined
      ? {
          level: 'bad',
          what: 'The brake is on: no notice is sent and nothing ends',
          why: `Something looks wrong on a large scale: ${reason}. Calls are woken as always.`,
          remedy:
            'Look at the clock of this machine, at the push services and at the log. The brake lets go by itself after an hour.',
          command: 'pushwake brake release',
          since,
        }
      : {
          level: 'bad',
          what: `The brake holds the app ${app}: none of its devices is notified or ended`,
          why: `${reason}. So many at once look like a mistake (another key, another environment, a fault of the push service), not like deleted apps. Calls still push these devices.`,
          remedy:
            'Check with pushwake push-test that a phone of this app that works is reached. When the apps really are gone, let the brake go; by itself it lets go after an hour without such verdicts.',
          command: `pushwake brake release --app "${app}"`,
          since,
        },
  );
}

function credentialProblems({ services, listeners, now }: State): Problem[] {
  const ofServices = services.flatMap((s) =>
    s.credentials.map((c) => ({ name: `The ${c.name} (${s.provider})`, endsAt: c.endsAt, of: 'service' as const })),
  );
  const ofListeners = listeners.map((l) => ({
    name: `The TLS certificate of the ${l.name} listener`,
    endsAt: l.endsAt,
    of: 'listener' as const,
  }));
  return [...ofServices, ...ofListeners].flatMap(({ name, endsAt, of }): Problem[] => {
    if (endsAt === undefined) return [];
    const left = between(now, endsAt);
    if (left > CREDENTIAL_WARNED) return [];
    const meaning = of === 'service' ? 'From then on it wakes no phone.' : 'From then on clients refuse to connect.';
    return [
      {
        level: left > CREDENTIAL_BAD ? 'warn' : 'bad',
        what: left <= 0 ? `${name} has ended` : `${name} ends in ${length(left)}`,
        why: left <= 0 ? 'Every client refuses it.' : meaning,
        remedy:
          of === 'service'
            ? "Renew it in the publisher's developer account and put the new file in the place of the old one; it is taken up by itself. A .p8 key does not end."
            : 'Renew it and start pushwake again.',
      },
    ];
  });
}

function receiverProblems({ receivers }: State): Problem[] {
  return receivers
    .filter((r) => r.waiting >= EVENTS_WAIT || r.lost > 0)
    .map((r) => ({
      level: 'warn',
      what: `The event receiver "${r.name}" does not keep up`,
      why: `${several(r.waiting, 'event')} wait, ${several(r.lost, 'event')} were lost since the start. Calls are not touched by it.`,
      remedy: 'Does its URL under events answer, with 2xx, within a few seconds? See the log for what it says.',
    }));
}

/** One for each cause; those that merely wake seldom have a line of their own. */
function troubleProblems(troubles: State['troubles']): Problem[] {
  return (Object.entries(troubles) as [TroubleCause, number][])
    .filter(([cause, count]) => cause !== 'wakes-seldom' && count > 0)
    .map(([cause, count]) => ({
      level: 'warn',
      what: `${several(count, 'device')} ${TROUBLES_IN_SHORT[cause]}`,
      why: TROUBLES[cause].cause,
      remedy: TROUBLES[cause].remedy,
      command: 'pushwake explain',
    }));
}

/** Said of one or several devices. */
export const TROUBLES_IN_SHORT: Readonly<Record<TroubleCause, string>> = {
  'voip-withheld': 'no longer woken by VoIP pushes',
  'voip-never': 'never woken by VoIP pushes',
  demoted: 'demoted by Google',
  'received-only': 'pushed, but not registering',
  'no-push-wakes': 'not woken by any push',
  'silent-unanswered': 'silent to refreshes',
  'arrives-late': 'reached late by pushes',
  'comes-late': 'registering too late',
  'not-rung': 'registering, but not rung',
  refuses: 'refusing each call at once',
  'nothing-heard': 'not heard of',
  'wakes-seldom': 'waking seldom',
};

function countProblems({ seldom, troubles, incomplete }: State): Problem[] {
  const damaged: Problem[] =
    incomplete === undefined
      ? []
      : [
          {
            level: 'bad',
            what: 'Records of the store cannot be read',
            why: `${incomplete}. Calls to their accounts ring as without pushwake.`,
            remedy: 'Restore them from a backup; what can be read is in the export.',
            command: 'pushwake bindings export',
          },
        ];
  const slow: Problem[] =
    seldom === 0
      ? []
      : [
          {
            level: 'warn',
            what: `${several(seldom, 'device')} seldom wake${seldom === 1 ? 's' : ''}`,
            why: 'Fewer than half of their last call pushes brought them. The list is below.',
            remedy:
              'On those phones: switch battery saving off for the app, allow background activity and notifications, do not force-stop it.',
            command: 'pushwake explain',
          },
        ];
  return [...damaged, ...troubleProblems(troubles), ...slow];
}
