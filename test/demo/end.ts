/** After the story: the trace of its first call, and the proof that the machine's own Asterisk was left alone. */
import { createServer, type Server } from 'node:net';
import { difference, type MachineFingerprint, machineFingerprint } from '../support/asterisk/index.ts';
import type { Scene } from '../support/scene.ts';
import type { Printer } from './print.ts';
import { NotSeen, type Stage } from './stage.ts';

export function printTrace(print: Printer, scene: Scene, callId: string): void {
  const steps = scene.pushwake.log.filter((l) => l.msg === 'call step' && l.callId === callId);
  print.part('The first call as pushwake saw it (its log at level debug; ms since the call reached it)');
  for (const { ms, step, detail } of steps) {
    print.line(
      `    ${Number(ms).toFixed(1).padStart(8)}  ${String(step)}${detail === undefined ? '' : ` (${String(detail)})`}`,
    );
  }
}

export async function machineIsUntouched(stage: Stage, before: MachineFingerprint): Promise<void> {
  await stage.step('untouched', 'The machine’s own Asterisk, its files and ports, is as it was', async () => {
    const intruder = stage.sabotages('untouched') ? await openPort() : undefined;
    const begun = performance.now();
    const after = machineFingerprint();
    intruder?.close();
    // One that is running writes its own logs and database meanwhile: there only what is configured and who listens counts.
    const itsOwn = runsItself(before);
    const changes = difference(before, after).filter((line) => !itsOwn || !/^. \/var\//.test(line));
    if (changes.length > 0) throw new NotSeen(`no change was expected; seen: ${changes.slice(0, 5).join(', ')}`);
    const what = before.lines.every((l) => l.endsWith(' absent')) ? 'there is none, and none appeared' : 'unchanged';
    return {
      text: `The machine’s own Asterisk: ${what} (files and ports, checksum ${after.hash.slice(0, 8)}${itsOwn ? ', its logs left out' : ''})`,
      ms: performance.now() - begun,
    };
  });
}

const runsItself = ({ lines }: MachineFingerprint) =>
  lines.some((l) => l.includes('/asterisk.ctl ') || l.endsWith(' listening'));

/** One of the ports a machine's own Asterisk uses, whichever is free. */
async function openPort(): Promise<Server> {
  for (const port of [5038, 5061, 8088]) {
    const server = createServer();
    const open = await new Promise<boolean>((done) => {
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => done(true));
    });
    if (open) return server;
  }
  throw new Error('cannot sabotage: every port of an Asterisk is in use');
}
