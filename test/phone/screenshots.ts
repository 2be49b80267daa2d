/**
 * `node test/phone/screenshots.ts`: renews the pictures of docs/browser-phone.md. Needs root, and Debian's xvfb and imagemagick: only on a screen does Chromium show a
 * notification. The screen is a virtual one.
 */
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BrowserPhone, PhoneScene } from './real/phone-scene.ts';

const FOLDER = fileURLToPath(new URL('../../docs/screenshots', import.meta.url));
const DISPLAY = ':97';
const SCREEN = { width: 1_000, height: 800 };
/** Where Chromium puts a notification: the lower right corner. */
const NOTIFICATION = { width: 360, height: 144, fromRight: 10, fromBottom: 10 };

const screen = spawn('Xvfb', [DISPLAY, '-screen', '0', `${SCREEN.width}x${SCREEN.height}x24`], { stdio: 'ignore' });
await delay(1_000);
process.env.DISPLAY = DISPLAY;
process.env.PUSHWAKE_PHONE_SHOWN = '1';
const s = await PhoneScene.start(['1001', '1002']);
try {
  const caller = await s.scene.phone('2000');
  await caller.register();
  for (const [account, scheme] of [
    ['1001', 'light'],
    ['1002', 'dark'],
  ] as const) {
    const phone = await BrowserPhone.open(s);
    const shoot = async (name: string) => {
      await phone.page?.emulateMedia({ colorScheme: scheme });
      await phone.page?.screenshot({ path: join(FOLDER, `browser-phone-${name}-${scheme}.png`) });
    };
    await phone.logIn(account);
    await shoot('ready');
    await phone.closePage();
    const call = await caller.call(account);
    await phone.deliver();
    await phone.waitForNotification('Incoming call');
    if (scheme === 'light') {
      await delay(2_500);
      const { width, height, fromRight, fromBottom } = NOTIFICATION;
      const at = `${width}x${height}+${SCREEN.width - width - fromRight}+${SCREEN.height - height - fromBottom}`;
      const file = join(FOLDER, 'browser-phone-asleep.png');
      execFileSync('import', ['-window', 'root', '-crop', at, '+repage', file]);
    }
    await phone.tap('Incoming call');
    await phone.page?.getByRole('button', { name: 'Answer' }).waitFor();
    await shoot('ringing');
    await phone.page?.getByRole('button', { name: 'Answer' }).click();
    await call.done;
    await phone.page?.getByText('In a call').waitFor();
    await shoot('talking');
    await call.hangup();
    await phone.close();
  }
} finally {
  await s.close();
  screen.kill();
}
