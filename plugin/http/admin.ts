/** The admin listener: for the administrator, Prometheus and the command line. Every route says which role it needs. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { SECOND } from '../core/time.ts';
import { type AdminToken, allows, isMeant, type Role, roleOf } from './access.ts';
import type { Routes } from './listener.ts';
import type { WrongTokens } from './wrong-tokens.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Least role that may ask. Default `read`. `anybody`: no token at all (health, style sheets). */
    role?: Role | 'anybody';
  }
}

const LOOKS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Basic first, and each in a header of its own: browsers read one scheme per header and ask for a password only if they know it. */
const CHALLENGES = ['Basic realm="pushwake: any name, a token as the password"', 'Bearer realm="pushwake"'];

/**
 * Puts the check before every route of `routes`. Register all routes of the admin listener through this. `tokensNow`: they may
 * change while it runs.
 */
export function guarded(
  tokensNow: () => readonly AdminToken[],
  routes: readonly Routes[],
  wrong?: WrongTokens,
): Routes {
  return async (server: FastifyInstance) => {
    server.addHook('onRequest', async (request: FastifyRequest, reply) => {
      const needed = request.routeOptions.config?.role ?? 'read';
      if (needed === 'anybody') return;
      const tokens = tokensNow();
      const { authorization, host } = request.headers;
      const granted = roleOf(tokens, { authorization, host });
      if (granted === undefined) {
        // The right token is served even when wrong ones come from the same address: an address may be a proxy's, or an old script's.
        const waitMs = wrong?.waitMs(request.ip) ?? 0;
        if (waitMs > 0) {
          reply.header('retry-after', String(Math.ceil(waitMs / SECOND)));
          return reply.code(429).send({ error: 'too many wrong tokens from this address; try again in a minute' });
        }
        // Without any token somebody only asks how to give one.
        if (authorization !== undefined) wrong?.add(request.ip);
        reply.header('www-authenticate', CHALLENGES);
        return reply.code(401).send({ error: 'expected a token of http.admin.tokens: "Authorization: Bearer …"' });
      }
      if (allows(granted, needed)) {
        if (LOOKS.has(request.method) || tokens.length === 0 || isMeant(request.headers)) return;
        return reply
          .code(403)
          .send({ error: 'what changes something needs "Authorization: Bearer …", not a password' });
      }
      const remedy = tokens.length === 0 ? 'configure one under http.admin.tokens' : `this token has "${granted}"`;
      return reply.code(403).send({ error: `this needs a token with the role "${needed}"; ${remedy}` });
    });
    for (const r of routes) await server.register(async (scope: FastifyInstance) => r(scope));
  };
}
