/** The PBXs and the state of their links. */
import { type Html, html } from './html.ts';
import { badge, command, table } from './layout.ts';
import type { Site } from './site.ts';
import type { Times } from './times.ts';

export function linksBody(links: ReturnType<Site['links']>, waiting: number, times: Times): Html {
  const down = links.filter((l) => !l.up).length;
  return html`<h1>PBX links</h1>
<p class="lead">${down === 0 ? 'All are up.' : `${down} of ${links.length} ${down === 1 ? 'is' : 'are'} down. Their calls ring the phones that are awake.`} ${waiting === 0 ? 'No call waits for a phone.' : `Calls that wait for a phone: ${waiting}.`}</p>
${table(
  'Links of this configuration, and those other nodes run',
  [{ label: 'PBX' }, { label: 'Accounts of' }, { label: 'State' }, { label: 'Run by' }],
  links.map((l) => [
    l.name,
    l.realm === '*' ? 'every realm' : l.realm.split(' ').join(', '),
    l.up
      ? badge('good', 'up')
      : html`${badge('bad', 'down')}${l.downSince !== undefined && html` since ${times.exactly(l.downSince)}`}${l.reason !== undefined && html`<br><span class="soft">${l.reason}</span>`}`,
    l.remote ? 'another node' : 'this node',
  ]),
)}
<p>To prove the whole chain without ringing anybody:</p>
${command('pushwake check')}`;
}
