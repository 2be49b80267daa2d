/** `--keep`: what is running, how to reach it, and a phone that goes on sleeping and waking until Ctrl-C. */
import { join } from 'node:path';
import { passwordOf } from '../support/asterisk/index.ts';
import { type Cast, fallAsleep, pushBody, type Stage, WAKES_AFTER_MS } from './stage.ts';

/** `admin`: where pushwake's pages are. */
export async function keepRunning(
  { print }: Stage,
  cast: Cast,
  admin: string | undefined,
  interrupted: Promise<void>,
): Promise<void> {
  const { scene, mobile, install } = cast;
  const { asterisk } = scene;
  const chroot = asterisk.folder.slice(0, asterisk.folder.indexOf('/srv/pushwake/'));
  print.part('Still running, until Ctrl-C');
  for (const line of [
    `Softphone on this machine: server 127.0.0.1, UDP or TCP ${asterisk.ports.udp}, TLS ${asterisk.ports.tls}`,
    `  account 2000, password ${passwordOf({ id: '2000' })} (the caller) or 1003, ${passwordOf({ id: '1003' })}`,
    '  dial 1001: the mobile sleeps, is woken by push, answers after a second and plays a tone',
    '  dial 5001: desk phone 1002 and mobile 1001 together;  91001: the mobile as without pushwake',
    `pushwake.yaml: ${join(scene.folder, 'pushwake.yaml')}`,
    ...(admin
      ? [`  its pages: http://${admin}/; on a command line: pushwake status, explain 1001 with -c and that file`]
      : []),
    `Asterisk's files: ${asterisk.folder}`,
    `Asterisk's console: chroot ${chroot} asterisk -C ${asterisk.folder.slice(chroot.length)}/etc/asterisk.conf -rvvv`,
    `ARI: ${asterisk.ari.url}/ari  user ${asterisk.ari.user}  password ${asterisk.ari.password}`,
  ])
    print.line(`  ${line}`);

  mobile.answer = { kind: 'auto', afterMs: 1_000 };
  const woken = scene.wakeByPush(mobile, install, { afterMs: WAKES_AFTER_MS });
  const noted = [install.voip, install.other].map((token) =>
    scene.apns.onPush(token, (push) => {
      const { type, ended } = pushBody(push);
      print.line(`  ${new Date().toISOString().slice(11, 19)} push to 1001: ${type}${ended ? `, ${ended}` : ''}`);
    }),
  );
  // Falls asleep again when its call is over.
  let busy = false;
  const lullaby = setInterval(() => {
    if (busy || !mobile.isOpen || mobile.incoming.length === 0 || !mobile.incoming.every((c) => c.isOver)) return;
    busy = true;
    void fallAsleep(cast)
      .then(() => print.line(`  ${new Date().toISOString().slice(11, 19)} 1001 sleeps again`))
      .catch(() => undefined)
      .finally(() => {
        busy = false;
      });
  }, 1_000);
  await interrupted;
  clearInterval(lullaby);
  woken.stop();
  for (const stop of noted) stop();
}
