/** What a SIGHUP does: only what a change is about is made anew, waiting calls go on, and a mistake changes nothing. */
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, parseConfig } from '../../config/load.ts';
import { adapters, schemasOf } from '../../plugin/app/adapters.ts';
import { LiveConfig, type Modules } from '../../plugin/app/live-config.ts';
import type { AdapterDeps } from '../../plugin/ports/adapter.ts';
import { MONDAY } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';

const schemas = schemasOf(await adapters());
const clock = new FakeClock(MONDAY);

interface Birth {
  readonly name: string;
  readonly deps: AdapterDeps;
}

let born: Birth[];
let closed: string[];
let modules: Modules;

beforeEach(() => {
  born = [];
  closed = [];
  const module = <T>(make: (name: string) => T) => ({
    optionsSchema: z.any(),
    create: (options: unknown, deps: unknown) => {
      const { name } = deps as AdapterDeps;
      born.push({ name, deps: deps as AdapterDeps });
      if ((options as { secret?: string }).secret === 'a-secret-that-cannot-be-used') {
        throw Object.assign(new Error('push.hook: cannot be used'), { name: 'ConfigError' });
      }
      return make(name);
    },
  });
  const provider = (name: string) =>
    Object.assign(new ScriptedPushProvider(name), { close: async () => void closed.push(name) });
  modules = {
    pbx: new Map(['asterisk', 'freeswitch'].map((type) => [type, module((name) => new FakePbx({ clock, name }))])),
    push: new Map(['log', 'webhook'].map((type) => [type, module(provider)])),
    events: new Map([
      [
        'webhook',
        module((name) => ({
          name,
          wants: () => true,
          send: async () => 'taken' as const,
          close: async () => undefined,
        })),
      ],
    ]),
  };
});

const BEFORE = `mode: full
store: { type: sqlite, path: /var/lib/pushwake/bindings.db }
pbx:
  office: { type: asterisk, url: "http://127.0.0.1:8088", password: one, realm: example.com }
  branch: { type: freeswitch, password: two, realm: branch.example.com }
push:
  log: {}
  hook: { type: webhook, url: "https://push.example.com/", secret: a-secret-of-24-characters }
http:
  admin: { tokens: [{ name: me, role: read, token: a-token-of-24-characters }] }
`;
const parse = (yaml: string) => parseConfig('pushwake.yaml', yaml, schemas);
const live = () => new LiveConfig(parse(BEFORE), modules, new RecordedLog(), clock);

/** What stands at a place of the file, and what a SIGHUP makes of it. */
const CHANGES: readonly {
  readonly what: string;
  readonly replace: readonly (readonly [string, string])[];
  readonly applied: readonly string[];
  readonly waiting?: readonly string[];
  readonly made?: readonly string[];
  readonly gone?: readonly string[];
}[] = [
  { what: 'nothing', replace: [], applied: [] },
  { what: 'the mode', replace: [['mode: full', 'mode: observe']], applied: ['mode'] },
  { what: 'a policy', replace: [['mode: full', 'mode: full\npolicy: { ttl: 3d }']], applied: ['policy'] },
  { what: 'the log level', replace: [['mode: full', 'mode: full\nlog: { level: debug }']], applied: ['log'] },
  { what: 'the locale', replace: [['mode: full', 'mode: full\nlocale: de']], applied: ['locale'] },
  {
    what: 'the caller in pushes',
    replace: [['mode: full', 'mode: full\ncalls: { showCaller: true }']],
    applied: ['calls'],
  },
  {
    what: 'the password of one PBX',
    replace: [['password: one', 'password: other']],
    applied: ['pbx.office'],
    made: ['office'],
    gone: ['office'],
  },
  {
    what: 'a PBX that goes',
    replace: [[/ {2}branch.*\n/.exec(BEFORE)?.[0] ?? '', '']],
    applied: ['pbx.branch'],
    gone: ['branch'],
  },
  {
    what: 'a PBX that comes',
    replace: [['push:\n', '  third: { type: freeswitch, password: x, realm: c.example.com }\npush:\n']],
    applied: ['pbx.third'],
    made: ['third'],
  },
  {
    what: 'one push service',
    replace: [['a-secret-of-24-characters', 'another-secret-of-the-hook']],
    applied: ['push.hook'],
    made: ['hook'],
  },
  {
    what: 'the proxy of all push services',
    replace: [['push:\n', 'push:\n  proxy: "http://proxy.example.com:3128"\n']],
    applied: ['push.log', 'push.hook'],
    made: ['log', 'hook'],
  },
  {
    what: 'the proxy of one push service',
    replace: [['log: {}', 'log: { proxy: "http://proxy.example.com:3128" }']],
    applied: ['push.log'],
    made: ['log'],
  },
  {
    what: 'a receiver of events',
    replace: [
      ['http:\n', 'events:\n  crm: { url: "https://crm.example.com/", secret: a-secret-of-24-characters }\nhttp:\n'],
    ],
    applied: ['events.crm'],
    made: ['crm'],
  },
  {
    what: 'a token of the admin listener',
    replace: [['a-token-of-24-characters', 'another-token-of-24-chars']],
    applied: ['http.admin'],
  },
  { what: 'the store', replace: [['bindings.db', 'others.db']], applied: [], waiting: ['store'] },
  {
    what: 'the address of the admin listener and a token: both wait, an open door must not get the tokens of a closed one',
    replace: [
      ['admin: {', 'admin: { listen: "127.0.0.1:9999",'],
      ['a-token-of-24-characters', 'another-token-of-24-chars'],
    ],
    applied: [],
    waiting: ['http.admin'],
  },
  {
    what: 'a devices listener that comes, and the mode',
    replace: [
      ['http:\n', 'http:\n  devices: { listen: "127.0.0.1:9998", accountSecret: a-secret-of-24-characters }\n'],
      ['mode: full', 'mode: observe'],
    ],
    applied: ['mode'],
    waiting: ['http.devices'],
  },
];

describe('a change of', () => {
  it.each(CHANGES)('$what', ({ replace, applied, waiting = [], made = [], gone = [] }) => {
    const running = live();
    const before = born.length;
    const yaml = replace.reduce((text, [from, to]) => {
      expect(text).toContain(from);
      return text.replace(from, to);
    }, BEFORE);
    const prepared = running.prepare(parse(yaml));
    expect(prepared.applied).toEqual(applied);
    expect(prepared.waiting).toEqual(waiting);
    expect(born.slice(before).map((b) => b.name)).toEqual(made);
    expect(prepared.change.linksGone).toEqual(gone);
    prepared.commit();
    // What was applied once is not applied again; what waits is told again.
    const again = running.prepare(parse(yaml));
    expect(again.applied).toEqual([]);
    expect(again.waiting).toEqual(waiting);
  });
});

describe('a change that cannot be made', () => {
  it('changes nothing, and closes what was made for it', async () => {
    const running = live();
    const [log, hook] = running.providers;
    const bad = BEFORE.replace('a-secret-of-24-characters', 'a-secret-that-cannot-be-used')
      .replace('  log: {}', '  logs: { type: log }')
      .replace('mode: full', 'mode: observe');
    expect(() => running.prepare(parse(bad))).toThrow('cannot be used');
    expect(running.config.mode).toBe('full');
    expect(running.providers).toEqual([log, hook]);
    await Promise.resolve();
    expect(closed).toEqual(['logs']);
  });

  it('names file, line and column', () => {
    const bad = BEFORE.replace('realm: branch', 'relam: branch');
    expect(() => parse(bad)).toThrow(ConfigError);
    expect(() => parse(bad)).toThrow(/^pushwake\.yaml:5:\d+ pbx\.branch\.relam: unknown key; did you mean realm\?/m);
  });
});

describe('what is read whenever it is needed', () => {
  it('follows the file: mode, texts, realms, services', () => {
    const running = live();
    const { observing } = born[0]?.deps ?? {};
    expect(observing).toBe(false);
    expect(running.noticeText('1001@example.com' as never, 'soon', undefined).body).toMatch(/^Your account/);
    const services = running.services;
    running
      .prepare(
        parse(
          `${BEFORE.replace('mode: full', 'mode: observe\nlocale: de').replace('  log: {}\n', '').replace('realm: example.com', 'realm: new.example.com')}`,
        ),
      )
      .commit();
    expect(born[0]?.deps.observing).toBe(true);
    expect(running.noticeText('1001@example.com' as never, 'soon', undefined).body).not.toMatch(/^Your account/);
    expect(running.realmOf('office')).toBe('new.example.com');
    expect([...services]).toEqual(['hook']);
  });
});
