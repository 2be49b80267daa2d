/** The PBXs and the state of their links. */
import { type Html, html } from './html.ts';
import { badge, command, type Mood, table } from './layout.ts';
import type { Site } from './site.ts';
import { length, type Times } from './times.ts';

type Nodes = ReturnType<Site['nodes']>;

export function linksBody(links: ReturnType<Site['links']>, nodes: Nodes, waiting: number, times: Times): Html {
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
${nodes.length > 0 && nodesTable(nodes, times)}
<p>To prove the whole chain without ringing anybody:</p>
${command('pushwake check')}`;
}

const MOODS: Readonly<Record<Nodes[number]['state'], Mood>> = {
  alive: 'good',
  late: 'warn',
  draining: 'idle',
  drained: 'idle',
  silent: 'bad',
};

function nodesTable(nodes: Nodes, times: Times): Html {
  return html`<h2>Nodes</h2>
${table(
  'Every pushwake on this store',
  [{ label: 'Node' }, { label: 'State' }, { label: 'Takes the calls of' }, { label: 'Version' }, { label: 'Started' }],
  nodes.map((n) => [
    `${n.name}${n.isThis ? ' (this one)' : ''}`,
    html`${badge(MOODS[n.state], n.state)}${n.state === 'silent' && html` for ${length(n.silentMs)}`}${n.state === 'late' && html` by up to ${n.lateMs ?? 0} ms`}${n.waiting !== undefined && n.waiting > 0 && html`, calls that wait: ${n.waiting}`}`,
    n.pbxs.flatMap(({ pbx, leads }) => (leads ? [pbx] : [])).join(', ') || '–',
    n.version === undefined ? 'an older one' : `${n.version}${n.mode === 'observe' ? ', mode observe' : ''}`,
    n.startedAt === undefined ? '–' : times.exactly(n.startedAt),
  ]),
)}`;
}
