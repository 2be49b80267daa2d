/** What the status pages say, without a browser; `test/browser` shows them to one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodesInLines } from '../../plugin/commands/node-words.ts';
import { whatIsWrong } from '../../plugin/commands/status.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { BindingId } from '../../plugin/core/binding.ts';
import { appKey } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { noticeKind } from '../../plugin/core/schedule.ts';
import { DAY, HOUR, type Instant, instant, MINUTE, plus } from '../../plugin/core/time.ts';
import type { TraceStep } from '../../plugin/core/trace.ts';
import { accountsBody, accountsPage, PAGE_SIZE } from '../../plugin/http/pages/accounts.ts';
import { escaped, html } from '../../plugin/http/pages/html.ts';
import { lifeOf } from '../../plugin/http/pages/life.ts';
import { linksBody } from '../../plugin/http/pages/links.ts';
import { problemsOf, type State } from '../../plugin/http/pages/problems.ts';
import { STYLE_PATH } from '../../plugin/http/pages/style.ts';
import { length, Times } from '../../plugin/http/pages/times.ts';
import { barsOf } from '../../plugin/http/pages/waterfall.ts';
import { daysOf } from '../../plugin/http/pages/week.ts';
import { contactInWords } from '../../plugin/http/pages/words.ts';
import type { Count, NodeState } from '../../plugin/ports/status.ts';
import { bindingEndingIn, MONDAY, voipOnly, warned } from '../support/builders.ts';
import { quietHealth } from '../support/quiet-status.ts';
import { HOSTILE, SECRET, StatusSite } from '../support/status-site.ts';

describe('HTML by template', () => {
  it('takes everything for text that was not made by it', () => {
    const evil = `<b title='x' data-a="y">&amp;`;
    expect(String(html`<p title="${evil}">${evil}</p>`)).toBe(
      '<p title="&lt;b title=&#39;x&#39; data-a=&quot;y&quot;&gt;&amp;amp;">&lt;b title=&#39;x&#39; data-a=&quot;y&quot;&gt;&amp;amp;</p>',
    );
    expect(String(html`<ul>${[1, 'a<b', html`<i>${'c'}</i>`]}</ul>`)).toBe('<ul>1a&lt;b<i>c</i></ul>');
    expect(String(html`${undefined}${null}${false}${0}`)).toBe('0');
  });

  it('shows characters that are not seen by their number', () => {
    expect(escaped('a\u202eb\u0000c\u200bd\u2028e\ud800f\nä😀')).toBe(
      'a\\u202eb\\u0000c\\u200bd\\u2028e\\ud800f\\u000aä😀',
    );
  });
});

const quiet: State = {
  now: MONDAY,
  ready: true,
  brake: [],
  links: [{ name: 'office', realm: 'example.com', up: true, remote: false }],
  nodes: [],
  services: [
    {
      provider: 'apns',
      breaker: 'closed',
      credentials: [{ name: 'certificate of x', endsAt: plus(MONDAY, 31 * DAY) }],
    },
  ],
  alarms: [],
  store: { name: 'sqlite', unsaved: 0 },
  receivers: [{ name: 'crm', waiting: 3, lost: 0 }],
  listeners: [{ name: 'admin', endsAt: plus(MONDAY, 60 * DAY) }],
  seldom: 0,
  troubles: {},
};
const certificate = (left: number): Partial<State> => ({
  services: [
    { provider: 'apns', breaker: 'closed', credentials: [{ name: 'certificate of x', endsAt: plus(MONDAY, left) }] },
  ],
});

const node = (change: Partial<NodeState> = {}): NodeState => ({
  name: 'web1',
  isThis: true,
  state: 'alive',
  silentMs: 0,
  version: '0.2.0',
  mode: 'full',
  startedAt: MONDAY,
  waiting: 2,
  lateMs: 0,
  pbxs: [{ pbx: 'office', up: true, leads: true }],
  ...change,
});
const other = (change: Partial<NodeState>) =>
  node({ name: 'web2', isThis: false, waiting: 0, pbxs: [{ pbx: 'office', up: true, leads: false }], ...change });

describe('the nodes of one store', () => {
  it('on the command line', () => {
    const late = other({ state: 'late', lateMs: 800, mode: 'observe' });
    const silent = other({ name: 'web3', state: 'silent', silentMs: 40_000, version: '0.1.0' });
    expect(nodesInLines({ nodes: [node(), late, silent] })).toEqual([
      '  web1 (this one)          alive, 0.2.0, calls that wait: 2, takes the calls of office',
      '  web2                     late: lags by 800 ms, 0.2.0, mode observe, calls that wait: 0',
      '  web3                     silent for 40 s, 0.1.0, calls that wait: 0',
    ]);
    expect(whatIsWrong(quietHealth({ nodes: [node(), late] }))).toEqual([]);
    expect(whatIsWrong(quietHealth({ nodes: [node(), silent] }))).toEqual([
      'the node web3 is silent for 40 s: is it running, and does it reach Redis?',
    ]);
    // Nobody hears of anybody then.
    expect(whatIsWrong(quietHealth({ nodes: [silent], storeTrouble: 'redis is away' })).join()).not.toContain('web3');
  });

  it('on the first page: one that is silent, one that lags, and an upgrade that is half done', () => {
    const whats = (nodes: readonly NodeState[]) => problemsOf({ ...quiet, nodes }).map(({ what }) => what);
    expect(whats([node(), other({})])).toEqual([]);
    expect(whats([node(), other({ state: 'silent', silentMs: 40_000 })])).toEqual(['The node web2 is silent for 40 s']);
    expect(whats([node(), other({ state: 'late', lateMs: 800 })])).toEqual(['The node web2 lags']);
    expect(whats([node(), other({ version: '0.3.0' })])).toEqual(['The nodes run different versions: 0.2.0, 0.3.0']);
    expect(whats([node(), other({ version: '0.3.0', state: 'drained' })])).toEqual([]);
  });

  it('on the page of links', () => {
    const hostile = other({ name: '<b>web2', state: 'silent', silentMs: 40_000 });
    const page = String(linksBody([], [node(), hostile], 0, new Times('UTC', MONDAY)));
    expect(page).toContain('web1 (this one)');
    expect(page).toContain('&lt;b&gt;web2');
    expect(page).toMatch(/silent<\/span> for 40 s/);
    expect(String(linksBody([], [], 0, new Times('UTC', MONDAY)))).not.toContain('Nodes');
  });
});

describe('what is wrong now', () => {
  it('nothing, when nothing is', () => {
    expect(problemsOf(quiet)).toEqual([]);
  });

  it.each<[string, Partial<State>, 'bad' | 'warn', RegExp]>([
    [
      'a link down',
      {
        links: [
          { name: 'office', realm: 'example.com', up: false, remote: false, downSince: MONDAY, reason: 'ECONNREFUSED' },
        ],
      },
      'bad',
      /link to the PBX "office" is down.*ECONNREFUSED/s,
    ],
    [
      'another node’s link',
      { links: [{ name: 'b', realm: 'example.com', up: false, remote: true }] },
      'bad',
      /is that node running/,
    ],
    [
      'a mistake of ours',
      {
        alarms: [
          {
            provider: 'apns',
            app: 'x',
            outcome: { kind: 'misconfigured', reason: 'BadTopic', hint: 'check bundleId' },
          },
        ],
      },
      'bad',
      /apns refuses pushes for x.*BadTopic.*check bundleId/s,
    ],
    [
      'of one device only',
      {
        alarms: [
          {
            provider: 'apns',
            app: 'x',
            outcome: {
              kind: 'misconfigured',
              reason: 'unknown app',
              hint: 'add the app to the configuration',
              scope: 'device',
            },
          },
        ],
      },
      'warn',
      /refuses pushes for x/,
    ],
    [
      'a service away',
      { services: [{ provider: 'fcm', breaker: 'open', trouble: 'no answer in time', credentials: [] }] },
      'bad',
      /fcm does not answer.*no answer in time/s,
    ],
    [
      'the store away',
      { store: { name: 'redis', unsaved: 2, trouble: { reason: 'ECONNRESET', since: MONDAY } } },
      'bad',
      /store \(redis\) does not answer.*2 accounts waits.*ECONNRESET.*Redis running/s,
    ],
    [
      'the brake',
      { brake: [{ reason: 'the wall clock jumped by 60 min', since: MONDAY }] },
      'bad',
      /brake is on.*jumped by 60 min/s,
    ],
    [
      'the brake of one app',
      { brake: [{ app: appKey({ provider: 'apns', app: 'x' }), reason: '3 of its 10 live tokens', since: MONDAY }] },
      'bad',
      /holds the app apns x.*3 of its 10.*push-test/s,
    ],
    ['a certificate of 30 days', certificate(30 * DAY), 'warn', /certificate of x \(apns\) ends in 30 days/],
    ['of 7 days', certificate(7 * DAY), 'bad', /ends in 7 days.*wakes no phone/s],
    ['of yesterday', certificate(-DAY), 'bad', /has ended/],
    [
      'a listener’s',
      { listeners: [{ name: 'devices', endsAt: plus(MONDAY, DAY) }] },
      'bad',
      /TLS certificate of the devices/,
    ],
    ['events that wait', { receivers: [{ name: 'crm', waiting: 100, lost: 0 }] }, 'warn', /crm" does not keep up/],
    ['events lost', { receivers: [{ name: 'crm', waiting: 0, lost: 1 }] }, 'warn', /1 event were lost|1 event/],
    ['devices that seldom wake', { seldom: 1 }, 'warn', /1 device seldom wakes/],
    ['damaged records', { incomplete: '1 records could not be read' }, 'bad', /cannot be read/],
  ])('%s', (_case, change, level, says) => {
    const [problem, ...others] = problemsOf({ ...quiet, ...change });
    expect(others).toEqual([]);
    expect(problem?.level).toBe(level);
    expect(`${problem?.what} ${problem?.why} ${problem?.remedy}`).toMatch(says);
    expect(problem?.remedy.length).toBeGreaterThan(10);
  });

  it('the worst comes first, and a breaker that tries again is no news', () => {
    const found = problemsOf({
      ...quiet,
      ...certificate(20 * DAY),
      seldom: 3,
      brake: [{ reason: 'x', since: MONDAY }],
      links: [{ name: 'office', realm: 'example.com', up: true, remote: false }],
    });
    expect(found.map((p) => p.level)).toEqual(['bad', 'warn', 'warn']);
    const halfOpen = { provider: 'apns', breaker: 'half-open', credentials: [] } as const;
    expect(problemsOf({ ...quiet, services: [halfOpen] })).toEqual([]);
  });
});

describe('the coming week', () => {
  const hours = (...at: Instant[]) => new Map(at.map((a) => [Math.floor(a / HOUR) * HOUR, 1]));

  it('counts by days of the server’s zone', () => {
    // Monday 09:00 UTC is 10:00 in Berlin; 22:30 UTC is still Monday there, 23:30 is Tuesday.
    const counts = hours(plus(MONDAY, 13.5 * HOUR), plus(MONDAY, 14.5 * HOUR), plus(MONDAY, 6 * DAY));
    const berlin = daysOf(counts, new Times('Europe/Berlin', MONDAY));
    expect(berlin.map((d) => d.count)).toEqual([1, 1, 0, 0, 0, 0, 1]);
    expect(berlin.map((d) => d.name)[1]).toBe('Tue 3 Mar');
    expect(daysOf(counts, new Times('UTC', MONDAY)).map((d) => d.count)).toEqual([2, 0, 0, 0, 0, 0, 1]);
  });

  it('has seven days also where a clock is changed, and what is overdue ends today', () => {
    const spring = instant(Date.UTC(2026, 2, 28, 22, 30));
    const days = daysOf(hours(plus(spring, -3 * DAY)), new Times('Europe/Berlin', spring));
    expect(days.map((d) => d.name)).toEqual([
      'today',
      'Sun 29 Mar',
      'Mon 30 Mar',
      'Tue 31 Mar',
      'Wed 1 Apr',
      'Thu 2 Apr',
      'Fri 3 Apr',
    ]);
    expect(days[0]?.count).toBe(1);
  });
});

describe('the lifetime of a device', () => {
  const words = (...args: Parameters<typeof lifeOf>) => lifeOf(...args).map((m) => `${m.kind}: ${m.what}`);

  it('a fresh one: what is planned', () => {
    const said = words(bindingEndingIn(6 * DAY, MONDAY), DEFAULT_POLICY, MONDAY);
    expect(said.map((s) => s.split(':')[0])).toEqual(['renewed', 'now', 'planned', 'planned', 'planned', 'end']);
    expect(said[3]).toContain('12 h before the end');
    expect(said[4]).toContain('1 h before the end');
  });

  it('one whose user was warned: the last silent push and the notice stand in their order', () => {
    const b = bindingEndingIn(11 * HOUR, MONDAY, {
      lastRefreshAt: plus(MONDAY, -6 * HOUR),
      sent: [warned(12 * HOUR, plus(MONDAY, -HOUR), false)],
    });
    const said = words(b, DEFAULT_POLICY, MONDAY);
    expect(said[1]).toBe('refresh: the last silent push: asked the app to register');
    expect(said[2]).toBe(
      'notice: notice "expires soon", 12 h before the end (not known yet whether the push service took it)',
    );
    expect(noticeKind({ notice: 'soon', offsetMs: 12 * HOUR })).toBe('soon-43200000');
  });

  it('one whose last notice a wrong key holds up shows no notice that was never sent', () => {
    const ending = { reason: 'age', since: MONDAY, notice: 'due', contact: 'gone', held: 'misconfigured' } as const;
    expect(words(bindingEndingIn(-MINUTE, MONDAY, { ending }), DEFAULT_POLICY, MONDAY).join()).not.toContain('notice');
  });

  it('one that cannot be told, and one that is ending, plan nothing', () => {
    const silent = words(bindingEndingIn(6 * DAY, MONDAY, { targets: voipOnly() }), DEFAULT_POLICY, MONDAY);
    expect(silent.at(-1)).toContain('cannot be notified');
    const ending = { reason: 'age', since: MONDAY, notice: 'due', contact: 'due' } as const;
    expect(words(bindingEndingIn(-MINUTE, MONDAY, { ending }), DEFAULT_POLICY, MONDAY).join()).not.toContain('planned');
  });
});

describe('parts', () => {
  it('a waterfall: each step from the one before it of the same device', () => {
    const a = 'aaaaaaaaaaaaaaaa' as BindingId;
    const b = 'bbbbbbbbbbbbbbbb' as BindingId;
    const steps: TraceStep[] = [
      { ms: 1, step: 'seen', toWake: 2 },
      { ms: 2, step: 'pushSent', provider: 'apns', device: a },
      { ms: 3, step: 'pushSent', provider: 'apns', device: b },
      { ms: 40, step: 'pushSettled', verdict: 'accepted', device: a },
      { ms: 1_500, step: 'registered', device: b, proved: true },
    ];
    expect(barsOf({ steps }).map((x) => [x.fromMs, x.toMs])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 40],
      [3, 1_500],
    ]);
  });

  it('lengths', () => {
    expect([0, 12.4, 1_849, 59_000, 90_000, 3 * HOUR, 47 * HOUR, 3.9 * DAY].map(length)).toEqual([
      '0 ms',
      '12 ms',
      '1.8 s',
      '59 s',
      '1 min',
      '3 h',
      '47 h',
      '3 days',
    ]);
  });

  it.each([
    ['sip:1001@192.0.2.7:5061;transport=tls;pn-provider=apns;pn-prid=TOKEN', 'sip:1001@192.0.2.7:5061;transport=tls'],
    ['sip:<i>@192.0.2.7;pn-prid=TOKEN', 'sip:<i>@192.0.2.7'],
    ['sip:1001@192.0.2.7,pn-prid=TOKEN', 'sip:1001@192.0.2.7'],
    ['sip:1001@192.0.2.7?pn-prid=TOKEN', 'sip:1001@192.0.2.7'],
    ['sip:1001@192.0.2.7 PN-PRID=TOKEN', 'sip:1001@192.0.2.7 '],
    ['pn-prid=TOKEN', ''],
    [`sip:${'1'.repeat(400)}@192.0.2.7`, `sip:${'1'.repeat(156)}…`],
  ])('a contact as it is shown: %s', (uri, shown) => {
    expect(contactInWords(uri)).toBe(shown);
  });

  const counted = (names: number, accounts = names): Count => ({
    at: MONDAY,
    accounts,
    devices: names,
    byStage: { fresh: names, refreshing: 0, warned: 0, ending: 0, claimed: 0 },
    byApp: new Map(),
    tookMs: 1,
    unnotifiable: 0,
    endsByHour: new Map(),
    endsLater: 0,
    seldom: 0,
    troubles: {},
    seldomWoken: [],
    troubled: [],
    list: Array.from({ length: names }, (_, i) => ({
      aor: `${1_000 + i}@example.com` as Aor,
      devices: 1,
      stage: 'fresh',
      endsAt: MONDAY,
    })),
  });

  it('accounts: pages are bounded, a page beyond the last is the last, and what is not listed is said', () => {
    const times = new Times('UTC', MONDAY);
    const second = accountsPage(counted(120), '', 2);
    expect([second.found.length, second.pages, second.found[0]?.aor]).toEqual([PAGE_SIZE, 3, '1050@example.com']);
    expect(accountsPage(counted(120), '', 99_999)).toMatchObject({ page: 3, total: 120 });
    expect(accountsPage(counted(120), '', 0).page).toBe(1);
    expect(accountsPage(counted(120), '1111@', 1).found.map((a) => a.aor)).toEqual(['1111@example.com']);
    const text = String(accountsBody(accountsPage(counted(20, 1_000_000), '', 1), times));
    expect(text).toContain('There are 1,000,000 accounts; the first 20 are listed here');
    expect(String(accountsBody(accountsPage(undefined, '', 1), times))).toContain('being counted');
    const links = String(accountsBody(accountsPage(counted(120), '1&2"', 1), times));
    expect(links).toContain('No account that is listed holds “1&amp;2&quot;”');
  });
});

describe('the pages as they are served', () => {
  let site: StatusSite;
  const get = (path: string, init?: RequestInit) => fetch(site.url + path, { redirect: 'manual', ...init });
  beforeAll(async () => {
    site = await StatusSite.start({ trouble: true });
  });
  afterAll(() => site.stop());

  const paths = () => [
    '/',
    '/accounts',
    '/accounts?q=10&page=2',
    '/accounts/1001%40example.com',
    `/accounts/${encodeURIComponent(HOSTILE.aor)}`,
    '/calls',
    '/calls?of=1001@example.com',
    `/calls/${site.runtime.status.calls()[0]?.callId}`,
    '/links',
    '/services',
  ];

  it('hold no script, no style of their own, no token, nothing from elsewhere; ids are given once', async () => {
    for (const path of paths()) {
      const answer = await get(path);
      const text = await answer.text();
      expect(answer.status, path).toBe(200);
      expect(answer.headers.get('content-security-policy'), path).toBe(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      expect(answer.headers.get('cache-control'), path).toBe('no-store');
      expect(answer.headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(text, path).not.toMatch(
        /<script|<style|\sstyle=|\son\w+=[^&]*>|javascript:|(?:src|href)="(?:https?:)?\/\//i,
      );
      expect(text, path).not.toContain(SECRET);
      const ids = [...text.matchAll(/\sid="([^"]*)"/g)].map((m) => m[1]);
      expect(new Set(ids).size, `${path}: ${ids}`).toBe(ids.length);
      expect(text, path).toMatch(
        /<time datetime="2026-11-24T14:05:20\.000Z">15:05:20<\/time>.*Europe\/Berlin \(GMT\+01:00\)/,
      );
    }
  });

  it('the style sheet is for anybody and for ever', async () => {
    const answer = await get(STYLE_PATH);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('content-type')).toBe('text/css; charset=utf-8');
  });

  it('a whole name is found whether it is listed or not; what is unknown is 404 and says so', async () => {
    const found = await get('/accounts?q=1001@EXAMPLE.com');
    expect([found.status, found.headers.get('location')]).toEqual([303, '/accounts/1001%40example.com']);
    const unknown = await get('/accounts/7777%40example.com');
    expect(unknown.status).toBe(404);
    expect(await unknown.text()).toContain('No REGISTER of this account with push parameters was ever seen');
    expect((await get('/accounts/%3Cb%3E')).status).toBe(404);
    expect((await get('/calls/1001@example.com')).status, 'an account is no call id').toBe(404);
    expect((await get('/accounts?page=-1')).status).toBe(400);
    expect((await get(`/accounts?q=${'x'.repeat(301)}`)).status).toBe(400);
  });

  it.each(['away', 'refuses', 'hangs'])('a PBX that %s is unknown, not empty', async (how) => {
    const { branch, clock } = site;
    branch.connect();
    if (how === 'away') branch.disconnect();
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((done) => {
      asked = done;
    });
    branch.ask = () => {
      asked();
      return how === 'hangs' ? new Promise(() => undefined) : Promise.reject(new Error('no'));
    };
    const answer = get('/accounts/2001%40branch.example.com');
    if (how === 'hangs') {
      await isAsked;
      await clock.advance(1_000);
    }
    const text = await (await answer).text();
    expect(text).toContain('“branch” could not be asked');
    expect(text).not.toContain('its phones sleep');
  });

  it('the store away: pages are served, and the first says so', async () => {
    site.store.down = 'disk full';
    const unknown = await get('/accounts/1002%40example.com');
    expect(unknown.status, 'unknown is not absent').toBe(503);
    expect(await unknown.text()).not.toContain('was ever seen');
    const text = await (await get('/')).text();
    site.store.down = undefined;
    expect(text).toContain('The store (memory) does not answer');
    expect(text).toContain('disk full');
    expect((await get('/accounts/1002%40example.com')).status).toBe(200);
    expect(await (await get('/')).text()).not.toContain('does not answer');
  });
});
