/**
 * A real Chromium for the tests of the status pages: the machine's own, else Debian's package, installed by apt-get. With it comes
 * Inter, the first of the fonts the pages ask for.
 */
import { tryRun } from '../asterisk/shell.ts';

/** Says what is missing on this machine. */
export class CannotBringChromium extends Error {
  override readonly name = 'CannotBringChromium';
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable'];
const PACKAGES = ['chromium', 'fonts-inter'];

/** It asks nobody outside: no updates, no telemetry, no QUIC. */
export const FLAGS: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Absolute path of the program. */
export async function bringChromium(progress: (line: string) => void = () => undefined): Promise<string> {
  const own = await find();
  if (own) return own;
  const missing = 'tests of the status pages need Chromium';
  if (process.getuid?.() !== 0)
    throw new CannotBringChromium(`${missing}: install the package chromium, or run as root`);
  progress('installing Chromium');
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const install = () => tryRun('apt-get', ['install', '-y', '--no-install-recommends', ...PACKAGES], { env });
  let { code, output } = await install();
  if (code !== 0) {
    await tryRun('apt-get', ['update'], { env });
    ({ code, output } = await install());
  }
  const found = await find();
  if (code !== 0 || !found) throw new CannotBringChromium(`${missing}, and apt-get could not install it:\n${output}`);
  return found;
}

async function find(): Promise<string | undefined> {
  for (const name of NAMES) {
    const { code, output } = await tryRun('sh', ['-c', `command -v ${name}`]);
    if (code === 0) return output.trim();
  }
  return undefined;
}
