/** All nodes of one store, as an administrator sees them. */
import { describe, expect, it } from 'vitest';
import { plus, SECOND } from '../../plugin/core/time.ts';
import type { AnnouncedPbx, NodeFacts, SeenNode } from '../../plugin/ports/peers.ts';
import { fleetOf } from '../../plugin/runtime/pbx/fleet.ts';
import { MONDAY } from '../support/builders.ts';

const pbx = (change: Partial<AnnouncedPbx> = {}): AnnouncedPbx => ({
  pbx: 'office',
  realm: 'example.com',
  up: true,
  ...change,
});
const facts = (change: Partial<NodeFacts> = {}): NodeFacts => ({
  host: 'web1',
  version: '0.2.0',
  mode: 'full',
  startedAt: MONDAY,
  waiting: 0,
  lateMs: 0,
  ...change,
});
let ids = 0;
const node = (
  about: Partial<NodeFacts> | undefined = {},
  { silentMs = 0, pbxs = [pbx()] }: { silentMs?: number; pbxs?: AnnouncedPbx[] } = {},
): SeenNode => ({ id: `0000000${ids++}-id`, silentMs, pbxs, facts: about && facts(about) });
const spare = { pbxs: [pbx({ spare: true })] };
const shown = (self: SeenNode, ...others: SeenNode[]) =>
  fleetOf(self, others).map(({ name, state, pbxs }) => `${name} ${state}${pbxs.some((p) => p.leads) ? ', leads' : ''}`);

describe('which node takes the calls of a PBX', () => {
  it('the one that it asks first, whoever looks', () => {
    expect(shown(node({ host: 'b' }, spare), node({ host: 'a' }))).toEqual(['b alive', 'a alive, leads']);
    expect(shown(node({ host: 'a' }), node({ host: 'b' }, spare))).toEqual(['a alive, leads', 'b alive']);
  });

  it.each<[string, SeenNode, string]>([
    ['has been silent for long', node({ host: 'a' }, { silentMs: 7 * SECOND }), 'a silent'],
    ['has lost its link', node({ host: 'a' }, { pbxs: [pbx({ up: false })] }), 'a alive'],
    ['is being drained', node({ host: 'a', leaving: 'draining' }), 'a draining'],
    ['was drained', node({ host: 'a', leaving: 'drained' }, { silentMs: 3_600 * SECOND }), 'a drained'],
  ])('the other, while the first one %s', (_, first, as) => {
    expect(shown(node({ host: 'b' }, spare), first)).toEqual(['b alive, leads', as]);
  });

  it('all that share them, as long as they take calls', () => {
    const shares = { pbxs: [pbx({ shares: true })] };
    const down = { pbxs: [pbx({ shares: true, up: false })] };
    expect(
      shown(
        node({ host: 'a' }, shares),
        node({ host: 'b' }, shares),
        node({ host: 'c', leaving: 'draining' }, shares),
        node({ host: 'd' }, down),
        // Of a version that does not know how.
        node({ host: 'e' }),
      ),
    ).toEqual(['a alive, leads', 'b alive, leads', 'c draining', 'd alive', 'e alive']);
  });

  it('one that is being drained, while nobody else is there', () => {
    expect(shown(node({ host: 'a', leaving: 'draining' }))).toEqual(['a draining, leads']);
  });
});

describe('a node', () => {
  it('lags, by its main loop or by its announcements', () => {
    expect(shown(node({ lateMs: 500 }))).toEqual(['web1 late, leads']);
    expect(shown(node({ lateMs: 499 }))).toEqual(['web1 alive, leads']);
    expect(shown(node({ host: 'a' }), node({ host: 'b' }, { ...spare, silentMs: 4_500 }))).toEqual([
      'a alive, leads',
      'b late',
    ]);
  });

  it('of an older version says nothing of itself', () => {
    const old: SeenNode = { id: '12345678-abc', silentMs: 0, pbxs: [pbx()], facts: undefined };
    expect(shown(node({ host: 'a' }, spare), old)).toEqual(['a alive', 'node 12345678 alive, leads']);
  });

  it('that was killed and started again is shown once; another one beside it stays', () => {
    const again = node({ host: 'a', startedAt: plus(MONDAY, SECOND) });
    const killed = node({ host: 'a' }, { silentMs: 60 * SECOND });
    expect(shown(again, killed)).toEqual(['a alive, leads']);
    expect(shown(again, node({ host: 'a', leaving: 'drained' }, { silentMs: 60 * SECOND }))).toEqual([
      'a alive, leads',
    ]);
    expect(shown(again, node({ host: 'a' }, { silentMs: 60 * SECOND, ...spare }))).toEqual([
      'a alive, leads',
      'a silent',
    ]);
    expect(shown(again, node({ host: 'a' }))).toHaveLength(2);
  });
});
