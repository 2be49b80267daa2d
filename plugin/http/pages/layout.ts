/** The frame of every page, and the parts that several pages share. */
import { type Html, html, type Part } from './html.ts';
import { ICON_PATH, STYLE_PATH } from './style.ts';
import type { Times } from './times.ts';

export interface PageOptions {
  readonly title: string;
  /** Path of the entry of `NAV` it belongs to. */
  readonly nav: string;
  readonly body: Html;
  readonly times: Times;
  readonly version: string;
}

const NAV: readonly (readonly [path: string, name: string])[] = [
  ['/', 'Now'],
  ['/accounts', 'Accounts'],
  ['/calls', 'Calls'],
  ['/links', 'PBX links'],
  ['/services', 'Push services'],
];

export function page({ title, nav, body, times, version }: PageOptions): string {
  const entry = ([path, name]: readonly [string, string]) =>
    html`<li><a href="${path}"${path === nav && html` aria-current="page"`}>${name}</a></li>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · pushwake</title>
<link rel="icon" type="image/svg+xml" href="${ICON_PATH}">
<link rel="stylesheet" href="${STYLE_PATH}">
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header>
<a class="mark" href="/">pushwake</a>
<nav aria-label="Pages"><ul>${NAV.map(entry)}</ul></nav>
</header>
<main id="main" tabindex="-1">
${body}
</main>
<footer>
<p>As of ${times.exactly(times.now)}. Times are in ${times.zoneInWords}.</p>
<p>pushwake ${version}. These pages only show; what changes something is a command of <code>pushwake</code>.</p>
</footer>
</body>
</html>
`.toString();
}

export interface Column {
  readonly label: string;
  /** Figures, to be compared with those above and below. */
  readonly figures?: true;
}

/**
 * A table that becomes a list of cards where it is narrow. The roles say it is still a table: a browser forgets that with
 * `display: block`.
 */
export function table(caption: Part, columns: readonly Column[], rows: readonly (readonly Part[])[]): Html {
  const kind = (c: Column | undefined) => c?.figures && html` class="figures"`;
  const cell = (part: Part, i: number) =>
    i === 0
      ? html`<th role="rowheader" scope="row"${kind(columns[i])}>${part}</th>`
      : html`<td role="cell" data-label="${columns[i]?.label}"${kind(columns[i])}><span>${part}</span></td>`;
  // A table of two columns fits on every screen.
  return html`<table role="table" class="${columns.length > 2 ? 'cards' : 'pairs'}">
<caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${columns.map(
    (c) => html`<th role="columnheader" scope="col"${kind(c)}>${c.label}</th>`,
  )}</tr></thead>
<tbody role="rowgroup">${rows.map((r) => html`<tr role="row">${r.map(cell)}</tr>\n`)}</tbody>
</table>`;
}

/** A command to type, in the words of the command line. */
export const command = (text: string): Html => html`<pre class="command"><code>${text}</code></pre>`;

export type Mood = 'good' | 'warn' | 'bad' | 'idle';

/** Shows a state as a word; its colour adds nothing to the word. */
export const badge = (mood: Mood, word: Part): Html => html`<span class="badge ${mood}">${word}</span>`;

/** Shows a figure with its name. */
export const figures = (pairs: readonly (readonly [name: string, value: Part])[]): Html =>
  html`<dl class="figures-row">${pairs.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
