/** The nodes of one store, in words for the terminal. */
import type { Health } from '../http/health.ts';
import type { NodeState } from '../ports/status.ts';
import { paint } from './terminal.ts';

/** One line for each: `web1 (this one)  alive, 0.2.0, calls that wait: 2, takes the calls of berlin`. */
export function nodesInLines({ nodes = [] }: Pick<Health, 'nodes'>): string[] {
  const leading = (name: string) => nodes.filter(({ pbxs }) => pbxs.some(({ pbx, leads }) => pbx === name && leads));
  return nodes.map((node) => {
    const { name, isThis, version, mode, waiting, pbxs } = node;
    const facts = [
      stateInWords(node),
      version ?? 'an older version',
      ...(mode === 'observe' ? ['mode observe'] : []),
      ...(waiting === undefined ? [] : [`calls that wait: ${waiting}`]),
      ...pbxs.flatMap(({ pbx, leads }) =>
        leads ? [`takes ${leading(pbx).length > 1 ? '' : 'the '}calls of ${pbx}`] : [],
      ),
    ];
    return `  ${`${name}${isThis ? ' (this one)' : ''}`.padEnd(24)} ${facts.join(', ')}`;
  });
}

/** While the store is away nobody hears of the others, and only the store is wrong. */
export function wrongNodes({ nodes = [], storeTrouble }: Pick<Health, 'nodes' | 'storeTrouble'>): string[] {
  if (storeTrouble !== undefined) return [];
  return nodes
    .filter(({ state }) => state === 'silent')
    .map((node) => `the node ${node.name} is silent for ${seconds(node)}: is it running, and does it reach Redis?`);
}

function stateInWords(node: NodeState): string {
  const { state, lateMs = 0, silentMs } = node;
  if (state === 'silent') return paint('red', `silent for ${seconds(node)}`);
  if (state === 'late') return silentMs > lateMs ? `late: quiet for ${seconds(node)}` : `late: lags by ${lateMs} ms`;
  return state === 'alive' ? paint('green', state) : state;
}

const seconds = ({ silentMs }: NodeState) => `${Math.round(silentMs / 1_000)} s`;
