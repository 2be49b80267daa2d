/** The list of accounts. Search and pages work on the last count; no request scans the store. */
import type { Aor } from '../../core/aor.ts';
import type { Count, CountedAccount } from '../../ports/status.ts';
import { type Html, html } from './html.ts';
import { table } from './layout.ts';
import { number, several, type Times } from './times.ts';
import { stageBadge } from './words.ts';

export interface AccountsPage {
  readonly query: string;
  readonly found: readonly CountedAccount[];
  readonly total: number;
  /** From 1. */
  readonly page: number;
  readonly pages: number;
  readonly count: Count | undefined;
}

export const PAGE_SIZE = 50;

/** Finds the accounts whose name contains the words. A page number beyond the last one gives the last page. */
export function accountsPage(count: Count | undefined, query: string, page: number): AccountsPage {
  const words = query.toLowerCase();
  const all = (count?.list ?? []).filter((a) => a.aor.toLowerCase().includes(words));
  const pages = Math.max(1, Math.ceil(all.length / PAGE_SIZE));
  const shown = Math.min(Math.max(1, page), pages);
  return {
    query,
    found: all.slice((shown - 1) * PAGE_SIZE, shown * PAGE_SIZE),
    total: all.length,
    page: shown,
    pages,
    count,
  };
}

export const accountLink = (aor: Aor): Html => html`<a href="/accounts/${encodeURIComponent(aor)}">${aor}</a>`;

export function accountsBody(p: AccountsPage, times: Times): Html {
  const { count, query } = p;
  const listed = count?.list.length ?? 0;
  return html`<h1>Accounts</h1>
<form class="search" action="/accounts" method="get" role="search">
<label>Account, or a part of its name
<input type="search" name="q" value="${query}" maxlength="300" autocomplete="off" spellcheck="false"></label>
<button type="submit">Search</button>
</form>
${
  count && count.accounts > listed
    ? html`<p class="note">There are ${number(count.accounts)} accounts; the first ${number(listed)} are listed here. Any other is found by its whole name.</p>`
    : undefined
}
${list(p, times)}
${count && html`<p class="soft small">Counted ${times.distance(count.at)}.</p>`}`;
}

function list({ found, total, page, pages, query, count }: AccountsPage, times: Times): Html {
  if (!count)
    return html`<p>The accounts are being counted; look again in a moment. A whole name is found already.</p>`;
  if (total === 0) {
    return query === ''
      ? html`<p>No account has a device that can be woken. A device is bound by a REGISTER whose Contact holds push parameters.</p>`
      : html`<p>No account that is listed holds “${query}” in its name.</p>`;
  }
  const to = (n: number) => `/accounts?${new URLSearchParams({ ...(query && { q: query }), page: String(n) })}`;
  return html`${table(
    `${several(total, 'account')}${query ? ` with “${query}”` : ''}${pages > 1 ? `, page ${page} of ${pages}` : ''}`,
    [{ label: 'Account' }, { label: 'Devices', figures: true }, { label: 'Stage' }, { label: 'First of them ends' }],
    found.map((a) => [
      accountLink(a.aor),
      number(a.devices),
      a.stage && stageBadge(a.stage),
      a.endsAt !== undefined && html`${times.at(a.endsAt)}`,
    ]),
  )}
${
  pages > 1 &&
  html`<nav aria-label="Pages of the list"><ul class="pages">
${page > 1 && html`<li><a href="${to(page - 1)}" rel="prev">The ${PAGE_SIZE} before</a></li>`}
${page < pages && html`<li><a href="${to(page + 1)}" rel="next">The next ${PAGE_SIZE}</a></li>`}
</ul></nav>`
}`;
}
