/** The admin listener: for the administrator, Prometheus and the command line. Every route says which role it needs. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type AdminToken, allows, type Role, roleOf } from './access.ts';
import type { Routes } from './listener.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Least role that may ask. Default `read`. `anybody`: no token at all (health, style sheets). */
    role?: Role | 'anybody';
  }
}

/** Puts the check before every route of `routes`. Register all routes of the admin listener through this. */
export function guarded(tokens: readonly AdminToken[], routes: readonly Routes[]): Routes {
  return async (server: FastifyInstance) => {
    server.addHook('onRequest', async (request: FastifyRequest, reply) => {
      const needed = request.routeOptions.config?.role ?? 'read';
      if (needed === 'anybody') return;
      const granted = roleOf(tokens, { authorization: request.headers.authorization, host: request.headers.host });
      if (granted === undefined) {
        reply.header(
          'www-authenticate',
          'Bearer realm="pushwake", Basic realm="pushwake: any name, a token as the password"',
        );
        return reply.code(401).send({ error: 'expected a token of http.admin.tokens: "Authorization: Bearer …"' });
      }
      if (allows(granted, needed)) return;
      const remedy = tokens.length === 0 ? 'configure one under http.admin.tokens' : `this token has "${granted}"`;
      return reply.code(403).send({ error: `this needs a token with the role "${needed}"; ${remedy}` });
    });
    for (const r of routes) await server.register(async (scope: FastifyInstance) => r(scope));
  };
}
