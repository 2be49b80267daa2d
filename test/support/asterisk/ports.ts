/**
 * Ports of an instance. Each running instance owns one slot of a thousand ports, below the range from which the system
 * gives ports to clients, so that neither another test process nor an outgoing connection can slip in between the
 * question "is it free?" and Asterisk's own bind.
 */
import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';

/** All on 127.0.0.1. */
export interface AsteriskPorts {
  readonly udp: number;
  readonly tcp: number;
  readonly tls: number;
  /** HTTP server with ARI. */
  readonly ari: number;
  /** RTP, both ends included. */
  readonly rtpFirst: number;
  readonly rtpLast: number;
}

export interface PortSlot {
  readonly ports: AsteriskPorts;
  release(): void;
}

const FIRST_PORT = 10_500;
const SLOT_SIZE = 1000;
const SLOTS = 22;

/** Finds a slot that no other process holds and whose SIP and ARI ports nobody listens on. */
export async function reservePorts(wanted: Partial<AsteriskPorts> = {}): Promise<PortSlot> {
  for (let slot = 0; slot < SLOTS; slot++) {
    const hold = await holdName(`pushwake-asterisk-slot-${slot}`);
    if (!hold) continue;
    const base = FIRST_PORT + slot * SLOT_SIZE;
    const ports = {
      udp: base,
      tcp: base,
      tls: base + 1,
      ari: base + 2,
      rtpFirst: base + 100,
      rtpLast: base + 899,
      ...wanted,
    };
    const streams = await Promise.all([ports.tcp, ports.tls, ports.ari].map(isTcpFree));
    if (streams.every(Boolean) && (await isUdpFree(ports.udp))) return { ports, release: () => void hold.close() };
    hold.close();
  }
  throw new Error(`no free ports on 127.0.0.1 between ${FIRST_PORT} and ${FIRST_PORT + SLOTS * SLOT_SIZE}`);
}

/**
 * A name only one process of this machine can hold, freed by the kernel when it dies: a Linux abstract socket. Answers
 * undefined when somebody else holds it.
 */
export function holdName(name: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.unref();
    server.once('error', () => resolve(undefined));
    server.listen(`\0${name}`, () => resolve(server));
  });
}

function isTcpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function isUdpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
