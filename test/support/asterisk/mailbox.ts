/** A mailbox of a real app_voicemail, set up as docs/messages.md says, with the shipped script as its `externnotify`. */
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SipPhone } from '../sip-phone/index.ts';
import { curlInside } from './curl.ts';
import type { RunningAsterisk } from './instance.ts';

/** Dialplan: 8001 leaves a message in the mailbox of 1001, `hear` listens to it. Calls come in the context `internal`. */
export const MAILBOX_DIALPLAN = `
[internal](+)
exten => 8001,1,VoiceMail(1001@default,s)
exten => hear,1,Answer()
 same => n,VoiceMailMain(1001@default,s)
exten => keys,1,Answer()
 same => n,Wait(0.5)
 same => n,SendDTMF(1)
 same => n,Wait(4)
`;
export const MAILBOX_MODULES: readonly string[] = ['app_voicemail'];
export const MAILBOX_CONF = { 'voicemail.conf': conf() };

/** A message shorter than this is none to app_voicemail (`minsecs`). In ms. */
const LONG_ENOUGH = 1_800;

const HEARD_WITHIN = 20_000;

function conf(externnotify?: string): string {
  const general = [
    'format=wav',
    'minsecs=1',
    'maxsilence=0',
    'envelope=no',
    'saycid=no',
    ...(externnotify ? [`externnotify=${externnotify}`] : []),
  ];
  return `[general]\n${general.join('\n')}\n\n[default]\n1001 => 1234,Mobile User\n`;
}

export interface Notified {
  /** Of the admin listener. */
  readonly url: string;
  /** Of the role `push`. */
  readonly token: string;
  readonly realm: string;
}

/** Adds the line of the page, and reloads app_voicemail. */
export async function notifies(asterisk: RunningAsterisk, shippedScript: string, to: Notified): Promise<void> {
  const path = await curlInside(asterisk.folder);
  const inside = path.slice(0, -'/curl'.length);
  const script = join(asterisk.folder, 'pushwake-voicemail');
  copyFileSync(shippedScript, script);
  chmodSync(script, 0o755);
  writeFileSync(join(asterisk.folder, 'voicemail-token'), to.token, { mode: 0o600 });
  // What an administrator writes into the script stands around it here; app_voicemail takes 160 characters.
  const env = `PATH=${path}:/usr/bin:/bin PUSHWAKE_URL=${to.url} PUSHWAKE_REALM=${to.realm} PUSHWAKE_TOKEN=${inside}/voicemail-token`;
  writeFileSync(join(asterisk.folder, 'notify'), `#!/bin/sh\n${env} exec ${inside}/pushwake-voicemail "$@"\n`);
  chmodSync(join(asterisk.folder, 'notify'), 0o755);
  writeFileSync(join(asterisk.folder, 'etc/voicemail.conf'), conf(`${inside}/notify`));
  await asterisk.cli('module reload app_voicemail.so');
}

/** Says something to the mailbox of 1001 and hangs up. */
export async function leaveMessage(caller: SipPhone): Promise<void> {
  const call = await caller.call('8001');
  await call.waitForState('answered');
  await delay(LONG_ENOUGH);
  await call.hangup();
}

/** Listens to the first message, as at a desk phone. It is an old one then. Resolves when that call is over, which app_voicemail notifies. */
export async function hearMessage(asterisk: RunningAsterisk): Promise<void> {
  await asterisk.cli('channel originate Local/hear@internal/n extension keys@internal');
  const deadline = performance.now() + HEARD_WITHIN;
  for (;;) {
    const channels = await asterisk.cli('core show channels concise');
    if (!channels.includes('Local/hear@')) return;
    if (performance.now() > deadline) throw new Error(`the mailbox is still listened to:\n${channels}`);
    await delay(100);
  }
}
