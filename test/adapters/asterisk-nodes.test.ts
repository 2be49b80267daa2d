import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { announceNodes, canBroadcast, NODE_APP, NodeOrders } from '../../adapters/pbx/asterisk/node-orders.ts';
import { Claims, SilentNodes } from '../../adapters/pbx/asterisk/nodes.ts';
import type { RestRequest } from '../../adapters/pbx/asterisk/rest.ts';
import { translate } from '../../adapters/pbx/asterisk/translate.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** An Asterisk with these applications, and what was asked of it but for reading. */
function asterisk(apps: readonly string[], variable = '', module: 'Running' | 'Not Running' | 'none' = 'Running') {
  const done: string[] = [];
  const ask = async ({ method, path, query, body }: RestRequest) => {
    if (method !== 'GET')
      done.push([path, ...Object.values(query ?? {}), ...(body ? [JSON.stringify(body)] : [])].join(' '));
    if (path === 'applications') return { ok: true, body: apps.map((name) => ({ name })) };
    if (path.startsWith('asterisk/modules/'))
      return module === 'none' ? { ok: false, body: undefined } : { ok: true, body: { status: module } };
    return { ok: true, body: { value: variable } };
  };
  return { ask, done };
}

const alive = (to: string, from: string) => `events/user/pushwake-alive ${to} {"variables":{"node":"${from}"}}`;

it('the dialplan asks the nodes that the adapter takes for nodes', () => {
  const file = fileURLToPath(new URL('../../config/asterisk/pushwake-extensions.conf', import.meta.url));
  expect(/StasisBroadcast\(\d+,([^,]+),claimed\)/.exec(readFileSync(file, 'utf8'))?.[1]).toBe(NODE_APP.source);
});

describe('whether Asterisk can ask several nodes', () => {
  it.each([
    ['it has StasisBroadcast', 'pushwake-b', 'Running', true],
    ['it has it, not running', 'pushwake-b', 'Not Running', false],
    ['it has none', 'pushwake-b', 'none', false],
    ['our name is none that it asks', 'callcentre', 'Running', false],
  ] as const)('%s', async (_what, app, module, can) => {
    expect(await canBroadcast(asterisk([], '', module), app)).toBe(can);
  });
});

describe('what the dialplan knows of nodes', () => {
  it.each([
    ['the first alone', 'pushwake', ['pushwake', 'pushwake-contacts', 'other'], '', []],
    ['the first, alone since a while', 'pushwake', ['pushwake'], '1', ['asterisk/variable PUSHWAKE_NODES ']],
    [
      'another one alone',
      'pushwake-b',
      ['pushwake-b', 'pushwake-b-contacts'],
      '',
      ['asterisk/variable PUSHWAKE_NODES 1'],
    ],
    ['said already', 'pushwake-b', ['pushwake-b'], '1', []],
    [
      'two, and a call that nobody claimed took it away',
      'pushwake',
      ['pushwake', 'pushwake-contacts', 'pushwake-b', 'pushwake-b-contacts'],
      '',
      [alive('pushwake-b', 'pushwake'), 'asterisk/variable PUSHWAKE_NODES 1'],
    ],
    [
      'three',
      'pushwake-b',
      ['pushwake', 'pushwake-b', 'pushwake-c'],
      '1',
      ['pushwake', 'pushwake-c'].map((to) => alive(to, 'pushwake-b')),
    ],
  ])('%s', async (_what, app, apps, variable, done) => {
    const pbx = asterisk(apps, variable);
    await announceNodes(pbx, app);
    expect(pbx.done).toEqual(done);
  });
});

describe('legs of several nodes', () => {
  /** An Asterisk in which these channels say whose they are. */
  function legs(owners: Readonly<Record<string, string>>, taken = '') {
    const done: string[] = [];
    const orders = new NodeOrders({
      app: 'pushwake-c',
      tell: () => undefined,
      failed: () => undefined,
      every: () => () => undefined,
      ask: async ({ method, path, query, body }) => {
        if (method === 'POST')
          done.push([path, ...Object.values(query ?? {}), ...(body ? [JSON.stringify(body)] : [])].join(' '));
        if (path.startsWith('asterisk/modules/')) return { ok: true, body: { status: 'Running' } };
        if (path === 'asterisk/variable') return { ok: true, body: { value: taken } };
        const value = owners[/^channels\/(\w+)\//.exec(path)?.[1] ?? ''];
        return value === undefined ? { ok: false, body: undefined } : { ok: true, body: { value } };
      },
    });
    return { orders, done };
  }
  const listed = (id: string, app_name: string, app_data: string) => ({ id, dialplan: { app_name, app_data } });

  it('are listed as those of the node that has them now', async () => {
    const { orders } = legs({ taken: 'pushwake-b', own: 'pushwake', wake: 'pushwake-b' });
    await orders.begin();
    const channels = [
      listed('taken', 'Stasis', 'pushwake,device,w1,call,1001'),
      listed('own', 'Stasis', 'pushwake,stored,w2,call,1001'),
      listed('gone', 'Stasis', 'pushwake,device,w3,call,1001'),
      listed('wake', 'Stasis', 'pushwake,compose,1001'),
      listed('taken', 'Dial', 'pushwake,device'),
    ];
    expect((await orders.owned(channels)).map((c) => c.dialplan.app_data)).toEqual([
      'pushwake-b,device,w1,call,1001',
      'pushwake,stored,w2,call,1001',
      'pushwake,device,w3,call,1001',
      'pushwake,compose,1001',
      'pushwake,device',
    ]);
  });

  it('are moved here from the node that is gone, unless another one was faster', async () => {
    const { orders, done } = legs({ c1: 'pushwake', c2: 'pushwake-b' });
    const takeOver = (channelId: string) =>
      orders.operations.takeOver({ channelId, from: 'pushwake', args: ['device', 'w1', 'call'] });
    expect([await takeOver('c1'), await takeOver('c2'), await takeOver('c3')]).toEqual(['done', 'gone', 'gone']);
    expect(done).toEqual([
      'channels/c1/variable _PUSHWAKE_APP pushwake-c',
      'channels/c1/move pushwake-c device,w1,call',
      'events/user/pushwake-taken pushwake {"variables":{"channel":"c1"}}',
      'asterisk/variable PUSHWAKE_TAKEN_pushwake c1',
    ]);
  });

  it('taken from a node are written down for it, and read once', async () => {
    const { orders, done } = legs({}, '4.1 4.2');
    expect(await orders.operations.takenFromUs()).toEqual([]);
    await orders.begin();
    expect(await orders.operations.takenFromUs()).toEqual(['4.1', '4.2']);
    expect(done).toEqual(['asterisk/variable PUSHWAKE_TAKEN_pushwake-c ']);
  });
});

describe('a node that falls silent', () => {
  /** Looks until the legs of somebody are to be taken over; in each look the nodes of `alive` have spoken. */
  const turns = (app: string, others: readonly string[], alive: readonly string[], looks: number) => {
    const nodes = new SilentNodes(app);
    const taken: string[] = [];
    for (const node of others) nodes.alive(node);
    for (let look = 1; look <= looks; look++) {
      for (const node of alive) nodes.alive(node);
      taken.push(...nodes.looked(others).map((node) => `${look} ${node}`));
    }
    return taken;
  };

  it('is taken over by the first that is left, after four looks, and once more for what came late', () => {
    expect(turns('pushwake', ['pushwake-b', 'pushwake-c'], ['pushwake-c'], 20)).toEqual([
      '4 pushwake-b',
      '9 pushwake-b',
    ]);
  });

  it('and by the next a look later, should the first not do it', () => {
    expect(turns('pushwake-c', ['pushwake', 'pushwake-b'], ['pushwake'], 20)).toEqual([
      '5 pushwake-b',
      '10 pushwake-b',
    ]);
  });

  it('two at once: one is left', () => {
    expect(turns('pushwake-c', ['pushwake', 'pushwake-b'], [], 5)).toEqual(['4 pushwake', '4 pushwake-b']);
  });

  it('is none that never spoke: it observes, or is of an earlier version', () => {
    const nodes = new SilentNodes('pushwake-c');
    nodes.alive('pushwake-b');
    const looks = Array.from({ length: 5 }, () => nodes.looked(['pushwake', 'pushwake-b']));
    expect(looks).toEqual([[], [], [], ['pushwake-b'], []]);
  });

  it('none, while all speak', () => {
    expect(turns('pushwake', ['pushwake-b'], ['pushwake-b'], 20)).toEqual([]);
  });

  it('is one like any other when it is back', () => {
    const nodes = new SilentNodes('pushwake');
    const look = (...others: string[]) => nodes.looked(others);
    nodes.alive('pushwake-b');
    for (let n = 0; n < 3; n++) look('pushwake-b');
    nodes.alive('pushwake-b');
    expect(Array.from({ length: 4 }, () => look('pushwake-b'))).toEqual([[], [], [], ['pushwake-b']]);
    // Its application is gone altogether, and it is started anew.
    look();
    nodes.alive('pushwake-b');
    expect(Array.from({ length: 4 }, () => look('pushwake-b'))).toEqual([[], [], [], ['pushwake-b']]);
  });
});

describe('a call that all nodes are asked for', () => {
  function claiming(o: { drained?: boolean; observing?: boolean }) {
    const clock = new FakeClock();
    const orders: string[] = [];
    const claims = new Claims({
      pbx: 'office',
      deps: { clock, observing: o.observing === true, log: { debug() {} } } as never,
      isDrained: () => o.drained === true,
      call: async (operation, args) => {
        orders.push(`${operation} ${(args as { channelId: string }).channelId}`);
        return 'done' as never;
      },
    });
    return { claims, clock, orders };
  }

  it('is claimed at once, and answered when it is ours', () => {
    const { claims, orders } = claiming({});
    claims.offered('c1');
    claims.won('c1');
    expect(orders).toEqual(['claim c1', 'answerClaim c1']);
  });

  it.each([
    ['is drained', { drained: true }],
    ['only observes', { observing: true }],
  ])('is left to the others by a node that %s, unless nobody claims it', async (_what, o) => {
    const { claims, clock, orders } = claiming(o);
    claims.offered('c1');
    await clock.advance(149);
    expect(orders).toEqual([]);
    await clock.advance(1);
    expect(orders).toEqual(['claim c1']);
  });

  it('leaves no timer behind', () => {
    const { claims, clock } = claiming({ drained: true });
    claims.offered('c1');
    claims.stop();
    expect(clock.pending()).toBe(0);
  });
});

describe('events of several nodes', () => {
  const channel = { id: '1.1' };
  it.each([
    [
      { type: 'CallBroadcast', channel },
      { fact: 'offered', channelId: '1.1' },
    ],
    [
      { type: 'StasisStart', args: ['claimed'], channel },
      { fact: 'claimed', channelId: '1.1' },
    ],
    [
      { type: 'ChannelUserevent', eventname: 'pushwake-alive', userevent: { node: 'pushwake-b' } },
      { fact: 'nodeAlive', node: 'pushwake-b' },
    ],
    [{ type: 'ChannelUserevent', eventname: 'another', userevent: { node: 'pushwake-b' } }, undefined],
    [{ type: 'ChannelUserevent', eventname: 'pushwake-alive' }, undefined],
    [
      { type: 'ChannelUserevent', eventname: 'pushwake-taken', userevent: { channel: '1.1' } },
      { fact: 'legTaken', channelId: '1.1' },
    ],
    [{ type: 'ChannelUserevent', eventname: 'pushwake-taken', userevent: { channel: 7 } }, undefined],
    [{ type: 'CallBroadcast' }, undefined],
    [
      { type: 'NodesLooked', others: ['pushwake-b'] },
      { fact: 'nodesLooked', others: ['pushwake-b'] },
    ],
    [{ type: 'NodesLooked' }, undefined],
  ])('%j', (event, fact) => {
    expect(translate(event)).toEqual(fact);
  });
});
