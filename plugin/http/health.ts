/** Health, for systemd, containers and monitoring: alive means the main loop turns, ready means calls can be woken. */
import type { Routes } from './listener.ts';

export interface Health {
  /** PBX links by name: up or not. */
  readonly links: Readonly<Record<string, boolean>>;
  /** Calls that wait for a phone now. */
  readonly waiting: number;
  /** Why notices and endings are held back, if they are. */
  readonly brake?: string;
  readonly ready: boolean;
}

export function healthRoutes(health: () => Health): Routes {
  return (server) => {
    server.get(
      '/health/live',
      { config: { role: 'anybody' }, schema: { summary: 'Answers while the process works' } },
      async () => ({ live: true }),
    );
    server.get(
      '/health/ready',
      { config: { role: 'anybody' }, schema: { summary: '200 when started and some PBX link is up, else 503' } },
      async (_request, reply) => {
        const { ready, links } = health();
        const up = ready && Object.values(links).some(Boolean);
        return reply.code(up ? 200 : 503).send({ ready: up });
      },
    );
    server.get(
      '/v1/status',
      { config: { role: 'read' }, schema: { summary: 'Links, waiting calls, the brake' } },
      async () => health(),
    );
  };
}
