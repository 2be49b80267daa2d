/** The page of one account: its devices with their lifetimes, its contacts on the PBXs now, its last calls. */
import type { Aor } from '../../core/aor.ts';
import type { AorRecord, Binding } from '../../core/binding.ts';
import { IN_WORDS } from '../../core/explain.ts';
import type { PolicyFor } from '../../core/lifecycle.ts';
import type { Policy } from '../../core/policy.ts';
import { stageOf } from '../../core/stage.ts';
import { explainText, type TextTrace } from '../../core/text-trace.ts';
import type { CallTrace } from '../../core/trace.ts';
import { TROUBLES } from '../../core/trouble.ts';
import { recordInWords, wakesSeldom } from '../../core/wake-record.ts';
import { callPart } from './call.ts';
import { type Html, html } from './html.ts';
import { badge, command, table } from './layout.ts';
import { lifeLine, lifeList, lifeOf } from './life.ts';
import { TROUBLES_IN_SHORT } from './problems.ts';
import type { Site } from './site.ts';
import { several, type Times } from './times.ts';
import { appOf, contactInWords, stageBadge, targetInWords } from './words.ts';

export interface AccountView {
  readonly aor: Aor;
  readonly record: AorRecord | undefined;
  /** The store did not answer: no record is not "no device". */
  readonly unknown: boolean;
  readonly policyOf: PolicyFor;
  readonly held: Awaited<ReturnType<Site['held']>>;
  /** The latest first. */
  readonly calls: readonly CallTrace[];
  /** The latest first. */
  readonly texts: readonly TextTrace[];
}

const CALLS_SHOWN = 5;

export function accountBody(view: AccountView, times: Times): Html {
  const { aor, record, calls } = view;
  const bindings = record?.bindings ?? [];
  return html`<h1>${aor}</h1>
<p class="lead">${inWords(bindings.length, view.unknown)}</p>
${bindings.length === 0 && !view.unknown && nothingBound(record, times)}
${bindings.map((b) => device(aor, b, view.policyOf(b), times))}
<h2>Registered now</h2>
${heldPart(view, times)}
<h2>Last calls</h2>
${calls.length === 0 ? html`<p>None since pushwake was started.</p>` : calls.slice(0, CALLS_SHOWN).map((c) => callPart(c, record, times))}
${calls.length > CALLS_SHOWN && html`<p><a href="/calls?of=${encodeURIComponent(aor)}">All ${calls.length} calls of this account</a></p>`}
${
  view.texts.length > 0 &&
  html`<h2>Last texts</h2>
<ul>${view.texts.map((t) => html`<li>${explainText(t, times.now)}</li>`)}</ul>`
}
${tombstones(record, times)}
<h2>Commands</h2>
<p>Why did it not ring? What is stored? Does a push arrive?</p>
${command(`pushwake explain ${aor}`)}${command(`pushwake bindings show ${aor}`)}${command(`pushwake push-test ${aor}`)}`;
}

function inWords(devices: number, unknown: boolean): string {
  if (unknown) return 'The store does not answer: what devices it has is not known now.';
  if (devices === 0) return 'No device of this account can be woken.';
  return devices === 1 ? 'One device can be woken by push.' : `${devices} devices can be woken by push.`;
}

function nothingBound(record: AorRecord | undefined, times: Times): Html {
  const last = record?.tombstones.at(-1);
  return last
    ? html`<p>The last one ended ${times.distance(last.endedAt)}: ${IN_WORDS[last.reason]}. Its user opens the app once: the REGISTER makes a new binding.</p>`
    : html`<p>No REGISTER of this account with push parameters was ever seen. Look at the Contact of the app’s REGISTER: it must hold <code>pn-provider</code>, <code>pn-param</code> and <code>pn-prid</code> (RFC 8599).</p>`;
}

function device(aor: Aor, b: Binding, policy: Policy, times: Times): Html {
  const app = appOf(b);
  const moments = lifeOf(b, policy, times.now);
  const contact = b.contacts.at(-1);
  const fact = (name: string, value: Html | string | undefined | false) =>
    value !== undefined && value !== false && html`<dt>${name}</dt><dd>${value}</dd>\n`;
  return html`<section class="device" aria-labelledby="d-${b.id}">
<h3 id="d-${b.id}">Device ${b.id.slice(0, 8)} ${stageBadge(stageOf(b))}${b.trouble ? badge('warn', TROUBLES_IN_SHORT[b.trouble.cause]) : wakesSeldom(b) && badge('warn', 'seldom wakes')}</h3>
<dl class="facts">
${fact('App', app && `${app.app} (${app.provider})`)}
${fact('Calls', targetInWords('push', b.targets.call))}
${fact('All else', targetInWords('push', b.targets.other))}
${fact('Reported', b.claim && html`${targetInWords('calls', b.claim.targets.call)} ${targetInWords('other', b.claim.targets.other)}, ${times.distance(b.claim.at)}; used once the account registers`)}
${fact('Last heard from', html`${times.at(b.renewedAt)}, ${times.distance(b.renewedAt)}`)}
${fact(b.ending ? 'Ending' : 'Ends', b.ending ? html`since ${times.at(b.ending.since)}: ${IN_WORDS[b.ending.reason]}` : html`${times.at(b.endsAt)}, ${times.distance(b.endsAt)}`)}
${fact('Wakes', html`${dots(b)}${recordInWords(b.wakes)}`)}
${fact('What is wrong', b.trouble && html`${TROUBLES[b.trouble.cause].cause} Known for ${times.distance(b.trouble.since)}. <strong>What to do:</strong> ${TROUBLES[b.trouble.cause].remedy}`)}
${fact('User asked to open the app', b.signs?.askedAt !== undefined && html`${times.at(b.signs.askedAt)}, ${times.distance(b.signs.askedAt)}`)}
${fact('Slept through', b.missed && html`${several(b.missed.count, 'call')} since it was last heard of, the last one ${times.distance(b.missed.at)}`)}
${fact('Texts that wait', b.texts && html`${several(b.texts.count, 'text')}, the last one came ${times.distance(b.texts.at)}`)}
${fact('New voice messages', b.voicemail && b.voicemail.count > 0 && html`${b.voicemail.count}, as of ${times.distance(b.voicemail.at)}`)}
${fact('Language', b.locale)}
${fact('Last contact', contact && html`<code>${contactInWords(contact.uri)}</code> on ${contact.pbx}`)}
${fact('Instance', b.evidence.instanceId !== undefined && html`<code>${b.evidence.instanceId.slice(0, 100)}</code>`)}
${fact('Install', b.evidence.installId !== undefined && html`<code>${b.evidence.installId.slice(0, 100)}</code>`)}
</dl>
${lifeLine(moments, b, times.now)}
${lifeList(moments, times)}
${command(`pushwake bindings drop ${aor} ${b.id}`)}
</section>
`;
}

/** Draws one mark per call push, oldest first, filled where the phone came. The sentence beside it says the same. */
function dots({ wakes }: Binding): Html | undefined {
  if (!wakes || wakes.length === 0) return undefined;
  return html`<svg class="dots" aria-hidden="true" width="${wakes.length * 14}" height="12">${wakes.map((ms, i) =>
    ms === null
      ? html`<circle class="missed" cx="${i * 14 + 6}" cy="6" r="4"/>`
      : html`<circle class="came" cx="${i * 14 + 6}" cy="6" r="5"/>`,
  )}</svg>`;
}

function heldPart({ held }: AccountView, times: Times): Html {
  if (held.length === 0) return html`<p>No PBX of the configuration has such accounts.</p>`;
  const silent = held.filter((h) => h.contacts === undefined).map((h) => h.pbx);
  const contacts = held.flatMap((h) => h.contacts ?? []);
  return html`${silent.map((pbx) => html`<p>The PBX “${pbx}” could not be asked: what it holds is not known.</p>`)}
${
  contacts.length > 0
    ? table(
        'Contacts the PBX holds; a sleeping phone has none, or one that leads nowhere',
        [{ label: 'Contact' }, { label: 'PBX' }, { label: 'Expires' }, { label: 'User-Agent' }],
        contacts.map((c) => [
          html`<code>${contactInWords(c.uri)}</code>`,
          c.pbx,
          c.expiresAt === undefined ? 'unknown' : times.distance(c.expiresAt),
          c.userAgent === undefined ? 'unknown' : html`<span class="long">${c.userAgent.slice(0, 120)}</span>`,
        ]),
      )
    : silent.length < held.length && html`<p>Nothing: its phones sleep, or are off.</p>`
}`;
}

function tombstones(record: AorRecord | undefined, times: Times): Html | undefined {
  const gone = record?.tombstones ?? [];
  if (gone.length === 0) return undefined;
  return html`<h2>Devices that are gone</h2>
${table(
  'Kept for a month, with the fingerprints of their tokens',
  [{ label: 'Device' }, { label: 'Ended' }, { label: 'Why' }, { label: 'Tokens' }],
  [...gone]
    .reverse()
    .map((t) => [
      html`<code>${t.id.slice(0, 8)}</code>`,
      times.at(t.endedAt),
      IN_WORDS[t.reason],
      html`<code>${t.tokens.join(' ')}</code>`,
    ]),
)}`;
}
