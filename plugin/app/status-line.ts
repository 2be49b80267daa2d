/** What `systemctl status` shows beside the state: one line, whatever happens. */
import type { RunningStatus } from '../ports/status.ts';

/** For example `mode full; PBX links up: 1 of 2 (down: branch); calls that wait: 3; push alarms: 1`. */
export function statusLine(running: Pick<RunningStatus, 'mode' | 'status' | 'pushes' | 'store' | 'heap'>): string {
  const { links, waiting, brake } = running.status();
  const down = Object.keys(links).filter((name) => !links[name]);
  const all = Object.keys(links).length;
  const { alarms } = running.pushes();
  const store = running.store();
  const heap = running.heap()?.trouble;
  return [
    `mode ${running.mode}`,
    `PBX links up: ${all - down.length} of ${all}${down.length > 0 ? ` (down: ${down.join(', ')})` : ''}`,
    `calls that wait: ${waiting}`,
    ...(alarms.length > 0 ? [`push alarms: ${alarms.length}, see pushwake status`] : []),
    ...(store.trouble ? [`store: ${store.trouble.reason}`] : []),
    ...(heap === undefined ? [] : [`memory: ${heap}`]),
    ...(brake === undefined ? [] : [`brake: ${brake}`]),
  ].join('; ');
}
