/** Push services, their queues and keys; receivers of events; the store. */

import { PLAIN_REASONS, type PlainReason } from '../../core/text-trace.ts';
import type { PushState, TextState } from '../../ports/status.ts';
import { type Html, html } from './html.ts';
import { badge, figures, table } from './layout.ts';
import type { State } from './problems.ts';
import { CREDENTIAL_WARNED } from './problems.ts';
import type { Site } from './site.ts';
import { number, type Times } from './times.ts';

const VERDICTS: readonly (readonly [kind: string, words: string])[] = [
  ['accepted', 'Taken'],
  ['tokenDead', 'Token dead'],
  ['retryLater', 'Not in time'],
  ['misconfigured', 'Refused for a mistake of ours'],
  ['failed', 'Lost'],
];

export function servicesBody(site: Site, listeners: State['listeners'], times: Times): Html {
  const pushes = site.pushes();
  return html`<h1>Push services</h1>
${table(
  'Configured push services',
  [
    { label: 'Service' },
    { label: 'State' },
    { label: 'Waiting', figures: true },
    { label: 'In flight', figures: true },
  ],
  pushes.providers.map((p) => [named(p), stateOf(p, pushes.alarms), number(p.queued), number(p.inFlight)]),
)}
<h2>What became of pushes</h2>
${pushes.ended.length === 0 ? html`<p>None was sent since pushwake was started.</p>` : endedTable(pushes)}
<h2>Texts</h2>
${textsPart(site.texts())}
<h2>Keys and certificates</h2>
${credentials(pushes.providers, listeners, times)}
<h2>Receivers of events</h2>
${receivers(site.receivers())}
<h2>Store</h2>
${figures([
  ['kind', site.store().name],
  ['state', site.store().trouble ? badge('bad', 'does not answer') : badge('good', 'answers')],
  ['accounts wait to be saved', number(site.store().unsaved)],
])}`;
}

/** With its proxy, where there is one. */
function named({ provider, proxy }: PushState['providers'][number]): string {
  return proxy === undefined ? provider : `${provider}, through ${proxy}`;
}

function stateOf(p: PushState['providers'][number], alarms: PushState['alarms']): Html {
  const own = alarms.filter((a) => a.provider === p.provider);
  if (own.length > 0)
    return html`${badge('bad', 'refuses us')} ${own.map((a) => `${a.app}: ${a.outcome.reason}`).join('; ')}`;
  if (p.breaker === 'closed') {
    return p.trouble === undefined
      ? badge('good', 'answers')
      : html`${badge('warn', 'did not take the last push')} ${p.trouble}`;
  }
  return html`${badge('bad', 'held back')} ${p.trouble}`;
}

function textsPart({ kept, delivered, expired, plain, held }: TextState): Html {
  const reasons = Object.entries(plain) as [PlainReason, number][];
  if (kept + reasons.length === 0)
    return html`<p>None came since pushwake was started, or texts are not switched on.</p>`;
  return html`${figures([
    ['kept for phones', number(kept)],
    ['delivered, once for each device', number(delivered)],
    ['given up, nobody fetched them', number(expired)],
    ['in memory, because the store does not answer', number(held)],
  ])}
${
  reasons.length > 0 &&
  table(
    'Left to the PBX, as without pushwake',
    [{ label: 'Why' }, { label: 'Texts', figures: true }],
    reasons.map(([why, count]) => [PLAIN_REASONS[why], number(count)]),
  )
}`;
}

function endedTable({ ended, retries }: PushState): Html {
  const keys = [...new Set(ended.map((e) => `${e.provider} ${e.purpose}`))].sort();
  const count = (key: string, kind: string) =>
    ended.find((e) => `${e.provider} ${e.purpose}` === key && e.outcome === kind)?.count ?? 0;
  return table(
    `Since the start; ${number(retries)} further attempts were made`,
    [{ label: 'Service and purpose' }, ...VERDICTS.map(([, label]) => ({ label, figures: true as const }))],
    keys.map((key) => [key.replace(' ', ', '), ...VERDICTS.map(([kind]) => number(count(key, kind)))]),
  );
}

function credentials(providers: PushState['providers'], listeners: State['listeners'], times: Times): Html {
  const rows = [
    ...providers.flatMap((p) => p.credentials.map((c) => ({ ...c, of: p.provider }))),
    ...listeners.map((l) => ({ ...l, name: 'TLS certificate', of: `${l.name} listener` })),
  ];
  if (rows.length === 0) return html`<p>None that end.</p>`;
  const ends = (endsAt: number | undefined) => endsAt !== undefined && endsAt - times.now < CREDENTIAL_WARNED;
  return table(
    'What pushwake proves itself with',
    [{ label: 'Name' }, { label: 'Of' }, { label: 'Ends' }],
    rows.map((r) => [
      r.name,
      r.of,
      r.endsAt === undefined
        ? 'does not end, or does not say when'
        : html`${times.at(r.endsAt)}, ${times.distance(r.endsAt)} ${ends(r.endsAt) && badge('warn', 'renew it')}`,
    ]),
  );
}

function receivers(all: State['receivers']): Html {
  if (all.length === 0) return html`<p>No receiver of events is configured.</p>`;
  return table(
    'Event webhooks',
    [{ label: 'Receiver' }, { label: 'Waiting', figures: true }, { label: 'Lost since the start', figures: true }],
    all.map((r) => [r.name, number(r.waiting), number(r.lost)]),
  );
}
