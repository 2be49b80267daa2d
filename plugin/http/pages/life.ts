/** Shows the lifetime of one device: what was sent in it and what is planned, as a line and as a list with the same content. */
import type { Binding, LifetimeNotice } from '../../core/binding.ts';
import type { Policy } from '../../core/policy.ts';
import { isNotifiable, nextRefresh, pendingNotices } from '../../core/schedule.ts';
import { between, type Instant, latest, plus } from '../../core/time.ts';
import { type Html, html } from './html.ts';
import { length, type Times } from './times.ts';

export interface Moment {
  readonly at: Instant;
  readonly what: string;
  readonly kind: 'renewed' | 'refresh' | 'notice' | 'now' | 'planned' | 'end';
}

/** Oldest first. */
export function lifeOf(b: Binding, policy: Policy, now: Instant): readonly Moment[] {
  const notices = b.sent.map((sent): Moment => {
    const settled = sent.done ? '' : ' (not known yet whether the push service took it)';
    return { at: sent.at, kind: 'notice', what: `${noticeInWords(sent)}${settled}` };
  });
  const refreshed: readonly Moment[] =
    b.lastRefreshAt === undefined
      ? []
      : [{ at: b.lastRefreshAt, kind: 'refresh', what: 'the last silent push: asked the app to register' }];
  const moments: Moment[] = [
    { at: b.renewedAt, kind: 'renewed', what: 'last heard from: a REGISTER, the lifetime begins' },
    ...refreshed,
    ...notices,
    ...(b.ending ? [] : planned(b, policy, now)),
    { at: now, kind: 'now', what: 'now' },
    { at: b.endsAt, kind: 'end', what: endInWords(b, now) },
  ];
  // Events of the same instant stay in the order of the lifecycle.
  return moments
    .map((m, i) => ({ m, i }))
    .sort((a, z) => a.m.at - z.m.at || a.i - z.i)
    .map(({ m }) => m);
}

function planned(b: Binding, policy: Policy, now: Instant): Moment[] {
  const notices = pendingNotices(b, policy).map((offset): Moment => {
    const due = plus(b.endsAt, -offset);
    return {
      at: latest(now, due),
      kind: 'planned',
      what: `planned: ${noticeInWords({ notice: 'soon', offsetMs: offset })}`,
    };
  });
  const refresh = nextRefresh(b, policy);
  if (refresh === undefined) return notices;
  return [{ at: latest(now, refresh), kind: 'planned', what: 'planned: the next silent push' }, ...notices];
}

function noticeInWords(which: LifetimeNotice): string {
  return which.notice === 'soon'
    ? `notice "expires soon", ${length(which.offsetMs)} before the end`
    : 'notice "expired"';
}

function endInWords(b: Binding, now: Instant): string {
  if (b.ending) return 'end of the lifetime';
  const silent = isNotifiable(b) ? '' : '; its user cannot be notified, the app gave only a token for calls';
  return `${b.endsAt > now ? 'ends' : 'should have ended'}, unless it registers before${silent}`;
}

const Y = 14;

export function lifeLine(moments: readonly Moment[], b: Binding, now: Instant): Html {
  const from = b.renewedAt;
  const to = latest(b.endsAt, now);
  const span = Math.max(1, between(from, to));
  const x = (at: Instant) => `${((Math.min(Math.max(at, from), to) - from) / span) * 100}%`;
  const refreshed =
    b.lastRefreshAt !== undefined && html`<circle class="sent" cx="${x(b.lastRefreshAt)}" cy="${Y}" r="2"/>`;
  const sent = b.sent.map(({ at }) => html`<circle class="notice" cx="${x(at)}" cy="${Y}" r="6"/>`);
  const toCome = moments
    .filter((m) => m.kind === 'planned' && m.what.includes('notice'))
    .map((m) => html`<circle class="planned" cx="${x(m.at)}" cy="${Y}" r="5"/>`);
  return html`<svg class="life" aria-hidden="true" width="100%" height="28">
<rect class="track" x="0" y="${Y - 3}" width="100%" height="6" rx="3"/>
<rect class="passed" x="0" y="${Y - 3}" width="${x(now)}" height="6" rx="3"/>
${toCome}${refreshed}${sent}<line class="now" x1="${x(now)}" x2="${x(now)}" y1="2" y2="26"/>
</svg>`;
}

export function lifeList(moments: readonly Moment[], times: Times): Html {
  const className = (m: Moment) => (m.kind === 'now' ? 'today' : m.at > times.now ? 'to-come' : 'past');
  return html`<ol class="story">${moments.map(
    (m) => html`<li class="${className(m)}">${times.at(m.at)}<span>${m.what}</span></li>\n`,
  )}</ol>`;
}
