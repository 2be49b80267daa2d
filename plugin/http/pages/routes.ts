/**
 * The status pages of the admin listener. They show and change nothing; no script, no style but the one sheet, nothing from
 * elsewhere, and a policy makes the browser hold them to that.
 */
import type { FastifyReply } from 'fastify';
import { parseAor } from '../../core/aor.ts';
import type { Routes } from '../listener.ts';
import { accountBody } from './account.ts';
import { accountsBody, accountsPage } from './accounts.ts';
import { callBody, callsBody } from './calls.ts';
import { type Html, html } from './html.ts';
import { page } from './layout.ts';
import { linksBody } from './links.ts';
import { overviewBody, overviewOf } from './overview.ts';
import type { State } from './problems.ts';
import { servicesBody } from './services.ts';
import type { Site } from './site.ts';
import { ICON, ICON_PATH, STYLE, STYLE_PATH } from './style.ts';
import { Times } from './times.ts';

export interface PageRoutesOptions {
  readonly site: Site;
  readonly version: string;
  /** Certificates of our own listeners. */
  readonly listeners: () => State['listeners'];
  /** IANA name. Default: the server's. */
  readonly zone?: string;
}

const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const FOR_EVER = 'public, max-age=31536000, immutable';
const READ = { config: { role: 'read' }, schema: { hide: true } } as const;
const ANYBODY = { config: { role: 'anybody' }, schema: { hide: true } } as const;
const PAGE = { type: 'string', pattern: '^[0-9]{1,5}$' } as const;
const WORDS = { type: 'string', maxLength: 300 } as const;

export function pageRoutes(o: PageRoutesOptions): Routes {
  const { site, version } = o;
  const zone = o.zone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const times = () => new Times(zone, site.now());
  const send = (reply: FastifyReply, nav: string, title: string, body: Html, at: Times) =>
    reply
      .header('content-security-policy', POLICY)
      .header('x-frame-options', 'DENY')
      .header('cross-origin-opener-policy', 'same-origin')
      .header('cross-origin-resource-policy', 'same-origin')
      .type('text/html; charset=utf-8')
      .send(page({ title, nav, body, times: at, version }));

  return (server) => {
    server.get('/', READ, async (_request, reply) => {
      const at = times();
      const overview = overviewOf(site, o.listeners());
      const bad = overview.problems.length;
      return send(reply, '/', bad === 0 ? 'Nothing is wrong' : `${bad} to look at`, overviewBody(overview, at), at);
    });

    server.get<{ Querystring: { q?: string; page?: string } }>(
      '/accounts',
      { ...READ, schema: { hide: true, querystring: { type: 'object', properties: { q: WORDS, page: PAGE } } } },
      async (request, reply) => {
        const at = times();
        const query = (request.query.q ?? '').trim();
        // Not every account of a large site is listed; each is found by its whole name.
        const aor = parseAor(query);
        const known = aor && (await site.record(aor));
        if (known) return reply.redirect(`/accounts/${encodeURIComponent(known.aor)}`, 303);
        const found = accountsPage(site.count(), query, Number(request.query.page ?? 1));
        return send(reply, '/accounts', 'Accounts', accountsBody(found, at), at);
      },
    );

    server.get<{ Params: { aor: string } }>('/accounts/:aor', READ, async (request, reply) => {
      const at = times();
      const aor = parseAor(request.params.aor);
      if (!aor) {
        const body = html`<h1>No such account</h1><p>Expected a name such as <code>1001@example.com</code>.</p><p><a href="/accounts">All accounts</a></p>`;
        return send(reply.code(404), '/accounts', 'No such account', body, at);
      }
      const [record, held] = await Promise.all([site.record(aor), site.held(aor)]);
      const unknown = record === undefined && site.store().trouble !== undefined;
      const [calls, texts] = [site.calls(aor), site.textTraces(aor)];
      const view = { aor, record, unknown, policyOf: site.policyFor(aor), held, calls, texts };
      // An unknown account gets a page as well: "nothing is known" may be the answer that the reader looks for.
      const known = record !== undefined || calls.length > 0 || texts.length > 0;
      return send(reply.code(unknown ? 503 : known ? 200 : 404), '/accounts', aor, accountBody(view, at), at);
    });

    server.get<{ Querystring: { of?: string; page?: string } }>(
      '/calls',
      { ...READ, schema: { hide: true, querystring: { type: 'object', properties: { of: WORDS, page: PAGE } } } },
      async (request, reply) => {
        const at = times();
        const of = (request.query.of ?? '').trim();
        const found = site.calls(of === '' ? undefined : (parseAor(of) ?? of));
        return send(reply, '/calls', 'Calls', callsBody(found, of, Number(request.query.page ?? 1), at), at);
      },
    );

    server.get<{ Params: { callId: string } }>('/calls/:callId', READ, async (request, reply) => {
      const at = times();
      const rounds = site.calls(request.params.callId);
      const [last] = rounds;
      // An account is no call id.
      if (!last || last.callId !== request.params.callId) {
        const body = html`<h1>No such call</h1><p>Calls are kept in memory, the latest 2,000, until pushwake ends.</p><p><a href="/calls">All calls</a></p>`;
        return send(reply.code(404), '/calls', 'No such call', body, at);
      }
      const record = await site.record(last.aor);
      return send(reply, '/calls', `A call for ${last.aor}`, callBody(rounds, record, at), at);
    });

    server.get('/links', READ, async (_request, reply) => {
      const at = times();
      return send(reply, '/links', 'PBX links', linksBody(site.links(), site.nodes(), site.status().waiting, at), at);
    });

    server.get('/services', READ, async (_request, reply) => {
      const at = times();
      return send(reply, '/services', 'Push services', servicesBody(site, o.listeners(), at), at);
    });

    server.get(STYLE_PATH, ANYBODY, async (_request, reply) =>
      reply.header('cache-control', FOR_EVER).type('text/css; charset=utf-8').send(STYLE),
    );
    server.get(ICON_PATH, ANYBODY, async (_request, reply) =>
      reply.header('cache-control', FOR_EVER).type('image/svg+xml').send(ICON),
    );
  };
}
