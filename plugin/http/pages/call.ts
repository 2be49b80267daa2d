/** The page of one call: how it ended, why, and its steps. */
import type { AorRecord } from '../../core/binding.ts';
import { explainCall } from '../../core/explain.ts';
import type { CallTrace } from '../../core/trace.ts';
import { type Html, html } from './html.ts';
import type { Times } from './times.ts';
import { waterfall } from './waterfall.ts';
import { outcomeBadge } from './words.ts';

export function callPart(trace: CallTrace, record: AorRecord | undefined, times: Times): Html {
  const { cause, remedy } = explainCall(trace, record, times.now);
  return html`<section class="call">
<h3>${times.exactly(trace.at)} ${outcomeBadge(trace)}</h3>
<p class="soft small">${times.distance(trace.at)}, on ${trace.pbx}, call <a href="/calls/${trace.callId}"><code>${trace.callId}</code></a></p>
${cause !== undefined && html`<p>${cause}</p>`}
${remedy !== undefined && html`<p><strong>What to do:</strong> ${remedy}</p>`}
${waterfall(trace)}
</section>
`;
}
