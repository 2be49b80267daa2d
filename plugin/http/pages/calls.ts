/** The page of the latest calls that are kept in memory. */
import type { AorRecord } from '../../core/binding.ts';
import type { CallTrace } from '../../core/trace.ts';
import { accountLink } from './accounts.ts';
import { callPart } from './call.ts';
import { type Html, html } from './html.ts';
import { table } from './layout.ts';
import { length, several, type Times } from './times.ts';
import { devicesOf, firstStep, outcomeBadge } from './words.ts';

const CALLS_PER_PAGE = 100;

export function callsBody(all: readonly CallTrace[], of: string, page: number, times: Times): Html {
  const pages = Math.max(1, Math.ceil(all.length / CALLS_PER_PAGE));
  const shown = Math.min(Math.max(1, page), pages);
  const to = (n: number) => `/calls?${new URLSearchParams({ ...(of && { of }), page: String(n) })}`;
  const after = (ms: number | undefined) => (ms === undefined ? '–' : length(ms));
  return html`<h1>${of ? html`Calls for ${of}` : 'Calls'}</h1>
<p class="lead">Kept in memory since pushwake was started, the latest 2,000 at most. Who calls is not kept.</p>
<form class="search" action="/calls" method="get" role="search">
<label>Account
<input type="search" name="of" value="${of}" maxlength="300" autocomplete="off" spellcheck="false" placeholder="1001@example.com"></label>
<button type="submit">Show its calls</button>
</form>
${
  all.length === 0
    ? html`<p>No call ${of ? html`for “${of}” ` : ''}came through pushwake since it was started.</p>`
    : table(
        `${several(all.length, 'call')}${pages > 1 ? `, page ${shown} of ${pages}` : ''}, the latest first`,
        [
          { label: 'When' },
          { label: 'Account' },
          { label: 'How it ended' },
          { label: 'Pushed', figures: true },
          { label: 'REGISTER after', figures: true },
          { label: 'Rang after', figures: true },
          { label: 'PBX' },
        ],
        all
          .slice((shown - 1) * CALLS_PER_PAGE, shown * CALLS_PER_PAGE)
          .map((c) => [
            html`<a href="/calls/${c.callId}">${times.exactly(c.at)}</a>`,
            accountLink(c.aor),
            outcomeBadge(c),
            devicesOf(c),
            after(firstStep(c, 'registered')),
            after(firstStep(c, 'ringing')),
            c.pbx,
          ]),
      )
}
${
  pages > 1 &&
  html`<nav aria-label="Pages of the list"><ul class="pages">
${shown > 1 && html`<li><a href="${to(shown - 1)}" rel="prev">Later calls</a></li>`}
${shown < pages && html`<li><a href="${to(shown + 1)}" rel="next">Earlier calls</a></li>`}
</ul></nav>`
}`;
}

/** A queue rings in rounds: each is a part of its own, the latest first. */
export function callBody(rounds: readonly CallTrace[], record: AorRecord | undefined, times: Times): Html {
  const [last] = rounds;
  return html`<h1>A call for ${last?.aor}</h1>
<p class="lead">${last && accountLink(last.aor)}${rounds.length > 1 && ` · ${rounds.length} rounds of a queue, the latest first`}</p>
${rounds.map((r) => callPart(r, record, times))}`;
}
