/** The first page: what is wrong now and what to do, then the state of the site. */
import { STAGES } from '../../core/stage.ts';
import type { Count } from '../../ports/status.ts';
import { type Html, html } from './html.ts';
import { badge, command, figures, table } from './layout.ts';
import type { State } from './problems.ts';
import { type Problem, problemsOf, TROUBLES_IN_SHORT } from './problems.ts';
import type { Site } from './site.ts';
import { number, several, type Times } from './times.ts';
import { daysOf, weekChart, weekTable } from './week.ts';
import { devicesOf, firstStep, firstTaken, stageWord } from './words.ts';

export interface Overview {
  readonly problems: readonly Problem[];
  readonly mode: Site['mode'];
  readonly ready: boolean;
  readonly waiting: number;
  readonly queued: number;
  /** Of the calls kept for which a phone was pushed: how many, and how many a phone came for. */
  readonly pushedCalls: number;
  readonly wokenCalls: number;
  readonly medianMs: number | undefined;
  readonly count: Count | undefined;
}

export function overviewOf(site: Site, listeners: State['listeners']): Overview {
  const { ready, waiting } = site.status();
  const pushes = site.pushes();
  const count = site.count();
  const heap = site.heap();
  const state: State = {
    now: site.now(),
    ready,
    brake: site.brake(),
    links: site.links(),
    services: pushes.providers,
    alarms: pushes.alarms,
    store: site.store(),
    ...(heap && { heap }),
    nodes: site.nodes(),
    receivers: site.receivers(),
    listeners,
    seldom: count?.seldom ?? 0,
    troubles: count?.troubles ?? {},
    ...(count?.incomplete === undefined ? {} : { incomplete: count.incomplete }),
  };
  const pushed = site.calls().filter((c) => c.over && devicesOf(c) > 0 && firstTaken(c) !== undefined);
  const came = pushed.flatMap((c) => firstStep(c, 'registered') ?? []).sort((a, b) => a - b);
  return {
    problems: problemsOf(state),
    mode: site.mode,
    ready,
    waiting,
    queued: pushes.providers.reduce((sum, p) => sum + p.queued, 0),
    pushedCalls: pushed.length,
    wokenCalls: came.length,
    medianMs: came[came.length >> 1],
    count,
  };
}

export function overviewBody(o: Overview, times: Times): Html {
  const { problems, count } = o;
  return html`<h1>${headline(problems)}</h1>
<p class="lead">${o.ready ? 'Calls are looked after.' : 'It has not started yet: calls ring as without pushwake.'} ${waitingInWords(
    o.waiting,
  )}</p>
${
  o.mode === 'observe' &&
  html`<p class="note">Mode <strong>observe</strong>: it logs what it would send, ring and remove, and does nothing. Set <code>mode: full</code> when you trust it.</p>`
}
${problems.length > 0 && html`<ol class="problems">${problems.map((p) => problem(p, times))}</ol>`}
${figures([
  ['accounts with a device', count ? number(count.accounts) : '–'],
  ['devices', count ? number(count.devices) : '–'],
  [
    o.pushedCalls === 0
      ? 'calls pushed a phone yet'
      : `of the last ${several(o.pushedCalls, 'pushed call')} a phone came`,
    o.pushedCalls === 0 ? 'No' : number(o.wokenCalls),
  ],
  ['from call to REGISTER, median', o.medianMs === undefined ? '–' : `${(o.medianMs / 1_000).toFixed(1)} s`],
  ['pushes wait for their turn', number(o.queued)],
])}
${count ? counted(count, times) : html`<h2>Bindings</h2><p>They are being counted; look again in a moment.</p>`}`;
}

function waitingInWords(waiting: number): string {
  if (waiting === 0) return 'No call waits for a phone now.';
  return waiting === 1 ? 'One call waits for a phone now.' : `${number(waiting)} calls wait for a phone now.`;
}

function headline(problems: readonly Problem[]): string {
  if (problems.length === 0) return 'Nothing is wrong.';
  const bad = problems.filter((p) => p.level === 'bad').length;
  if (bad === 0) return `Nothing is broken. ${several(problems.length, 'thing')} to look at.`;
  return bad === 1 ? 'One thing is wrong.' : `${number(bad)} things are wrong.`;
}

function problem(p: Problem, times: Times): Html {
  return html`<li class="${p.level}">
<h2>${badge(p.level, p.level === 'bad' ? 'wrong' : 'look at')} ${p.what}</h2>
<p>${p.since !== undefined && html`Since ${times.exactly(p.since)}, ${times.distance(p.since)}. `}${p.why}</p>
<p><strong>What to do:</strong> ${p.remedy}</p>
${p.command !== undefined && command(p.command)}
</li>`;
}

function counted(count: Count, times: Times): Html {
  const age = html`Counted ${times.distance(count.at)}.`;
  const days = daysOf(count.endsByHour, times);
  return html`<h2>Bindings by the day they end</h2>
<p>A binding ends on this day unless its phone registers before. ${age}</p>
${weekChart(days)}
<div class="beside">
<div>
<h2>The same in figures</h2>
${weekTable(days, count.endsLater, html`Bindings by day of end`)}
</div>
<div>
<h2>Where they stand</h2>
${table(
  'Devices by stage',
  [{ label: 'Stage' }, { label: 'Devices', figures: true }],
  [
    ...STAGES.map((s) => [stageWord(s), number(count.byStage[s])]),
    ['of these, users who cannot be notified before they end', number(count.unnotifiable)],
  ],
)}
</div>
</div>
${
  count.troubled.length > 0 &&
  html`<h2>Devices that do not come as they should</h2>
${table(
  `The first ${number(count.troubled.length)}, each with what is wrong`,
  [{ label: 'Account' }, { label: 'Device' }, { label: 'What is wrong' }],
  count.troubled.map((t) => [
    html`<a href="/accounts/${encodeURIComponent(t.aor)}">${t.aor}</a>`,
    html`<code>${t.device.slice(0, 8)}</code>`,
    TROUBLES_IN_SHORT[t.cause],
  ]),
)}`
}
${
  count.seldom > 0 &&
  html`<h2>Devices that seldom wake</h2>
${table(
  count.seldom > count.seldomWoken.length
    ? `The first ${number(count.seldomWoken.length)} of ${number(count.seldom)}`
    : 'Of their last call pushes fewer than half brought them',
  [{ label: 'Account' }, { label: 'Device' }, { label: 'Record' }],
  count.seldomWoken.map((s) => [
    html`<a href="/accounts/${encodeURIComponent(s.aor)}">${s.aor}</a>`,
    html`<code>${s.device.slice(0, 8)}</code>`,
    s.record,
  ]),
)}`
}`;
}
