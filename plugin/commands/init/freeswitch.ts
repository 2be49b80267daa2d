/** The files of a FreeSWITCH. Its event socket belongs to others as well (FusionPBX), so its password is read, never changed. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../manifest.ts';
import { type Plan, textOf, whole } from './plan.ts';
import { webrtcNotes } from './webrtc.ts';

const EVENT_SOCKET = join('autoload_configs', 'event_socket.conf.xml');
const shipped = (name: string) => readFileSync(join(PACKAGE_ROOT, 'config', 'freeswitch', name), 'utf8');

export const looksLikeFreeswitch = (folder: string): boolean => existsSync(join(folder, 'freeswitch.xml'));

export interface EventSocket {
  readonly port: number;
  readonly password: string | undefined;
}

export function eventSocketOf(folder: string): EventSocket {
  const text = (textOf(join(folder, EVENT_SOCKET)) ?? '').replace(/<!--[\s\S]*?-->/g, '');
  const value = (name: string) => new RegExp(`name="${name}"\\s+value="([^"]*)"`).exec(text)?.[1];
  return { port: Number(value('listen-port') ?? 8021), password: value('password') };
}

export interface FreeswitchInput {
  readonly folder: string;
  readonly password: string;
  /** What a phone in the browser needs as well. */
  readonly webrtc: boolean;
}

export function planFreeswitch({ folder, password, webrtc }: FreeswitchInput): Plan {
  const known = eventSocketOf(folder).password;
  const files = [
    whole(
      join(folder, 'dialplan', 'pushwake.xml'),
      shipped('pushwake-dialplan.xml'),
      0o644,
      join(folder, 'freeswitch.xml'),
    ),
  ];
  if (known === undefined) {
    const text = shipped('pushwake-event-socket.xml').replace('CHANGE-ME', password);
    files.push(whole(join(folder, EVENT_SOCKET), text, 0o640, join(folder, 'freeswitch.xml')));
  }
  const notes = [
    ...(known === 'ClueCon'
      ? [
          'event_socket.conf.xml has the password everybody knows (ClueCon): give it one of your own, here and in pushwake.yaml.',
        ]
      : []),
    'The SIP profile of your mobiles: compare it with config/freeswitch/pushwake-profile.xml.',
    'Calls pass through pushwake where you write execute_extension "1001@example.com XML pushwake" in place of bridge, and nowhere else.',
    ...(webrtc ? webrtcNotes(folder) : []),
  ];
  return {
    files,
    notes,
    reload: ['fs_cli -x reloadxml', ...(known === undefined ? ['fs_cli -x "reload mod_event_socket"'] : [])],
  };
}
