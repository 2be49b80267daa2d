/** Checks whether Asterisk's copies of REGISTER reach pushwake, by hep.conf and by what the running pushwake has received. */
import { createSocket } from 'node:dgram';
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import type { AsteriskOptions } from './options.ts';
import type { ProbeChannel } from './probe.ts';

const what = 'HEP';
const RELOAD = 'then `module load res_hep.so` and `module load res_hep_pjsip.so`, or `module reload res_hep.so`';

export async function checkHep(
  channel: ProbeChannel | undefined,
  hep: AsteriskOptions['hep'],
  deps: CheckDeps,
): Promise<Finding[]> {
  if (!hep) {
    const remedy = 'add `hep: { listen: 127.0.0.1:9060, password: … }` and install config/asterisk/pushwake-hep.conf';
    return [{ level: 'warn', what, found: 'is not configured: plain refreshes are seen by asking only', remedy }];
  }
  const port = deps.running ? [] : await portFree(hep.listen);
  const configured = channel ? await inConfiguration(channel, hep) : [];
  const seen = arriving(deps);
  const wrong = [...port, ...configured, ...seen];
  if (wrong.length > 0) return wrong;
  const registers = deps.sensors?.hep?.registers;
  const found = registers === undefined ? `hep.conf points to ${hep.listen}` : `${registers} REGISTERs have come`;
  return [{ level: 'ok', what, found }];
}

async function inConfiguration(channel: ProbeChannel, hep: NonNullable<AsteriskOptions['hep']>): Promise<Finding[]> {
  const read = (key: string) => channel.read(`AST_CONFIG(hep.conf,general,${key})`);
  const fail = (found: string, remedy: string): Finding[] => [{ level: 'fail', what, found, remedy }];
  const modules = await Promise.all(['res_hep', 'res_hep_pjsip'].map((m) => channel.read(`IFMODULE(${m}.so)`)));
  const missing = ['res_hep.so', 'res_hep_pjsip.so'].filter((_, i) => modules[i] === '0');
  if (missing.length > 0) {
    const remedy = `${missing.map((m) => `\`module load ${m}\``).join(' and ')}; see modules.conf for a noload`;
    return fail(`${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not running`, remedy);
  }
  const [enabled, address, password] = await Promise.all([
    read('enabled'),
    read('capture_address'),
    read('capture_password'),
  ]);
  if (address === undefined && enabled === undefined) {
    return fail(
      'hep.conf is missing or says nothing',
      `copy config/asterisk/pushwake-hep.conf to /etc/asterisk/hep.conf, ${RELOAD}`,
    );
  }
  if (enabled !== undefined && !/^(yes|true|on|1|y|t)$/i.test(enabled)) {
    return fail(`hep.conf says enabled = ${enabled}`, `set it to yes, ${RELOAD}`);
  }
  if (address !== undefined && !pointsTo(address, hep.listen)) {
    const found = `hep.conf sends to ${address}, and pushwake listens on ${hep.listen}`;
    return fail(found, `make capture_address of hep.conf and hep.listen of pushwake.yaml the same, ${RELOAD}`);
  }
  if (hep.password !== undefined && password !== hep.password) {
    const found = 'capture_password of hep.conf and hep.password of pushwake.yaml differ';
    return fail(found, `make them the same, ${RELOAD}`);
  }
  return [];
}

async function portFree(listen: string): Promise<Finding[]> {
  const colon = listen.lastIndexOf(':');
  const address = listen.slice(0, colon).replace(/^\[|\]$/g, '');
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const code = await new Promise<string | undefined>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.bind({ address, port: Number(listen.slice(colon + 1)), exclusive: true }, () => resolve(undefined));
  });
  socket.close();
  if (code === undefined) return [];
  const remedy = 'another program has this UDP port; if it is pushwake itself, it could not be asked (http.admin)';
  return [{ level: 'warn', what, found: `${listen} cannot be had (${code})`, remedy }];
}

/** A wildcard listens on every address, but the port must match too. */
function pointsTo(address: string, listen: string): boolean {
  const [a, b] = [address, listen].map((text) => {
    const colon = text.lastIndexOf(':');
    return {
      host: text
        .slice(0, colon)
        .replace(/^\[|\]$/g, '')
        .toLowerCase(),
      port: text.slice(colon + 1),
    };
  });
  if (a?.port !== b?.port) return false;
  return a?.host === b?.host || b?.host === '0.0.0.0' || b?.host === '::' || a?.host === 'localhost';
}

function arriving({ running, sensors }: CheckDeps): Finding[] {
  const hep = sensors?.hep;
  if (!running || !hep) return [];
  if (hep.listening === 0) {
    const remedy = 'another program has the port of hep.listen: see "hep cannot listen" in pushwake’s log';
    return [{ level: 'fail', what, found: 'pushwake cannot listen for it', remedy }];
  }
  if (hep.registers === 0 && (hep.wrongPassword ?? 0) > 0) {
    const remedy = 'make capture_password of hep.conf and hep.password of pushwake.yaml the same';
    return [{ level: 'fail', what, found: 'datagrams come with a wrong capture_password and are dropped', remedy }];
  }
  if (hep.received === 0) {
    const remedy = 'register a phone and check again; if none comes then, look at hep.conf and at a firewall between';
    return [{ level: 'warn', what, found: 'nothing has come since pushwake started', remedy }];
  }
  return [];
}
