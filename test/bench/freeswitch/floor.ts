/**
 * What any program at this event socket could do at best: the floor the link is measured against. One connection, json, no
 * store, no push service, no state: a REGISTER is an originate, a call is one HTTP request.
 */
import { connect } from 'node:net';
import { FrameReader } from '../../support/freeswitch/esl.ts';

export interface Floor {
  /** The next REGISTER of this account is answered by ringing its contact. */
  ring(aor: string): void;
  /** Called when the event of a call of this account is there. */
  onCall: (aor: string, at: number) => void;
  close(): void;
}

export function startFloor(port: number, password: string): Promise<Floor> {
  const socket = connect({ host: '127.0.0.1', port });
  const reader = new FrameReader();
  const waiting = new Set<string>();
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    const floor: Floor = {
      ring: (aor) => void waiting.add(aor),
      onCall: () => undefined,
      close: () => void socket.destroy(),
    };
    socket.write(`auth ${password}\n\nevent json CUSTOM sofia::register pushwake::call bench::call\n\n`);
    socket.on('data', (bytes) => {
      for (const frame of reader.push(bytes)) {
        if (frame.headers['Reply-Text']?.startsWith('+OK event')) resolve(floor);
        if (frame.headers['Content-Type'] !== 'text/event-json') continue;
        const event = JSON.parse(frame.body) as Record<string, string>;
        const aor = `${event['from-user']}@${event['from-host']}`;
        if (event['Event-Subclass'] === 'bench::call') floor.onCall(event['pushwake-aor'] ?? '', performance.now());
        if (event['Event-Subclass'] !== 'sofia::register' || !waiting.delete(aor)) continue;
        const contact = /<([^>]*)>/.exec(event.contact ?? '')?.[1];
        socket.write(`bgapi originate {originate_timeout=3}sofia/${event['profile-name']}/${contact} &park()\n\n`);
      }
    });
  });
}
