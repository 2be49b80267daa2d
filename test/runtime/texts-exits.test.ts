/**
 * What a text says, and who sent it, leaves pushwake to the phone and nowhere else: no log, event, record, trace, page, metric or push holds it,
 * but the push where the configuration says so. By chance texts, through every fate that a text can have.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { describeRecord } from '../../plugin/core/describe.ts';
import { DAY, MINUTE, SECOND } from '../../plugin/core/time.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { explainRoutes } from '../../plugin/http/explain.ts';
import { build } from '../../plugin/http/listener.ts';
import { Metrics } from '../../plugin/http/metrics/metrics.ts';
import { pageRoutes } from '../../plugin/http/pages/routes.ts';
import type { TextOutcome } from '../../plugin/ports/pbx-link.ts';
import { SERVICE_PAYLOADS } from '../support/service-payloads.ts';
import { ACCOUNT, TextSite, uriOf } from '../support/text-site.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Whatever the text is, these are in it: what is searched for. */
const SAID = 'SAYSthis4711';
const NAME = 'NAMEofSender';
const NUMBER = '77001234';
const SECRETS = new RegExp(`${SAID}|${NAME}|${NUMBER}`);

const PAGES = ['/', '/accounts', `/accounts/${encodeURIComponent(ACCOUNT)}`, '/calls', '/services', '/metrics'];

/** Everything that leaves pushwake but for the phone's own texts, as text; pushes apart. */
async function exits(s: TextSite): Promise<{ seen: string; pushed: string }> {
  const metrics = new Metrics(['office']);
  metrics.measure(s.runtime.status, { version: '0', certificates: () => [] });
  const pages = pageRoutes({ site: s.runtime.status, version: '0', listeners: () => [], zone: 'UTC' });
  const server = await build({
    name: 'admin',
    title: 'admin',
    version: '0',
    ratePerMinute: 0,
    maxConnections: 100,
    routes: [guarded(() => [], [pages, metrics.routes(), explainRoutes(s.runtime.operator)])],
    log: s.log,
    clock: s.clock,
  });
  closing.push(() => server.close());
  const answers = await Promise.all(
    [...PAGES, `/v1/explain?of=${encodeURIComponent(ACCOUNT)}`].map(async (url) => {
      const answer = await server.inject({ url, headers: { host: '127.0.0.1' } });
      expect(answer.statusCode, url).toBe(200);
      return answer.body;
    }),
  );
  const record = await s.store.get(ACCOUNT);
  const shown = record && describeRecord(record, s.clock.now());
  const state = [s.runtime.status.status(), s.runtime.status.texts(), s.runtime.status.textTraces(ACCOUNT)];
  return {
    seen: [s.log.text(), JSON.stringify([s.events, record, shown, state]), ...answers].join('\n'),
    pushed: s.pushes
      .flatMap((push) => Object.values(SERVICE_PAYLOADS).map((of) => JSON.stringify(of(push)) ?? ''))
      .join('\n'),
  };
}

const FATES = ['taken', 'refused', 'unreached', 'awake', 'store away', 'expired', 'nobody', 'full', 'stopped'] as const;
type Fate = (typeof FATES)[number];

async function live(s: TextSite, fate: Fate, text: { body: string; from: string; contentType: string }): Promise<void> {
  if (fate === 'awake') await s.register();
  else if (fate !== 'nobody') await s.asleep();
  if (fate === 'store away') s.store.kept.down = 'redis is away';
  if (fate === 'full') s.store.kept.keep = async () => 'full';
  s.pbx.phoneAnswers = async () => (['refused', 'unreached'].includes(fate) ? (fate as TextOutcome) : 'taken');
  await s.text('a', text);
  // A device is needed for its page.
  await s.text('b', { ...text, aor: '1002@example.com' as Aor });
  if (fate === 'store away') {
    await s.clock.advance(MINUTE);
    s.store.kept.down = undefined;
    await s.clock.advance(2 * SECOND);
  }
  if (fate === 'expired') await s.clock.advance(7 * DAY + 2 * MINUTE);
  else if (fate !== 'stopped') await s.register();
  await s.idle();
}

const chance = fc.record({
  fate: fc.constantFrom(...FATES),
  body: fc
    .tuple(fc.string({ unit: 'binary' }), fc.constantFrom('', '\u0000', '\r\n', '<b>', '{"x":1}'), fc.string())
    .map(([a, between, b]) => `${a}${between}${SAID}${b}`),
  from: fc.constantFrom(
    `"${NAME}" <sip:${NUMBER}@example.com>`,
    `<sip:${NUMBER}@example.com;user=${NAME}>`,
    `sip:${NUMBER}@${NAME}`,
    `${NAME}\r\nX: ${NUMBER}`,
    `"${NAME}${'x'.repeat(3_000)}" <sip:${NUMBER}@example.com>`,
  ),
  contentType: fc.constantFrom('text/plain', 'text/plain;charset=utf-8', 'message/cpim', `x/${SAID}`, `${SAID}`, ''),
});

describe('what a text says', () => {
  it('is in nothing that leaves pushwake, whatever becomes of it', { timeout: 60_000 }, async () => {
    const fates = new Map<string, number>();
    const run = fc.asyncProperty(chance, async ({ fate, ...text }) => {
      fates.set(fate, (fates.get(fate) ?? 0) + 1);
      const s = await new TextSite().start();
      await live(s, fate, text);
      const { seen, pushed } = await exits(s);
      expect(seen).not.toMatch(SECRETS);
      expect(pushed).not.toMatch(SECRETS);
      await s.runtime.stop();
      expect(s.log.text()).not.toMatch(SECRETS);
    });
    // One of each fate at least: a text that a phone is pushed for.
    const text = { body: SAID, from: `"${NAME}" <sip:${NUMBER}@example.com>`, contentType: 'text/plain' };
    await fc.assert(run, { numRuns: 30, examples: FATES.map((fate) => [{ fate, ...text }]) });
    expect([...fates.keys()].sort()).toEqual([...FATES].sort());
  });

  it('is in the push, and in nothing else, where the configuration says so (the control)', async () => {
    const settings = { showCaller: true, messages: { wake: true, showText: true } };
    const s = await new TextSite({ settings }).start();
    await live(s, 'stopped', {
      body: SAID,
      from: `"${NAME}" <sip:${NUMBER}@example.com>`,
      contentType: 'text/plain',
    });
    const { seen, pushed } = await exits(s);
    expect(seen).not.toMatch(SECRETS);
    for (const word of [SAID, NAME, NUMBER]) expect(pushed).toContain(word);
    // And the phone gets it as it was sent.
    s.pbx.register('1001', uriOf(1), { told: true });
    await s.idle();
    expect(s.sent).toEqual([`1: ${SAID}`]);
  });
});
