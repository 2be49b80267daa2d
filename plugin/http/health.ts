/** Health, for systemd, containers and monitoring: alive means the main loop turns, ready means calls can be woken. */
import type { BrakeState, NodeState, ServiceState, Summary } from '../ports/status.ts';
import type { Routes } from './listener.ts';

/** What `/v1/status` answers: the summary, and what monitoring and `pushwake status` need besides. */
export interface Health extends Summary {
  readonly version: string;
  readonly mode: string;
  /** Push services by name in the configuration: what waits, what is under way, whether it is held back. */
  readonly services: readonly Pick<
    ServiceState,
    'provider' | 'queued' | 'inFlight' | 'breaker' | 'trouble' | 'proxy'
  >[];
  /** Why the store does not answer as it should. Absent: it does. */
  readonly storeTrouble?: string;
  /** Why the memory of the process may not do. Absent: there is enough. */
  readonly heapTrouble?: string;
  /** It takes no new calls and ends when its own are over. Absent: it is not being drained. */
  readonly draining?: true;
  /** All nodes of the store, this one first. Absent: the store is this node's alone. */
  readonly nodes?: readonly NodeState[];
  /** Services that refuse us for a mistake of ours. */
  readonly alarms: readonly { provider: string; app: string; reason: string; hint: string }[];
  /** Contacts that ask for push and are not bound, the latest 20. */
  readonly notBound: readonly { aor: string; pbx: string; reason: string; remedy: string }[];
  /** What the brake holds, one by one. */
  readonly brakes: readonly BrakeState[];
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
      {
        config: { role: 'read' },
        schema: { summary: 'Links, nodes, sensors, push services, waiting calls, the brake' },
      },
      async () => health(),
    );
  };
}
