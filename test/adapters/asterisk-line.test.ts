/** In which order what was asked for is sent to an Asterisk. */
import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { Line } from '../../adapters/pbx/asterisk/line.ts';
import type { AriSession } from '../../adapters/pbx/asterisk/session.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

function line() {
  const sent: string[] = [];
  const session = { run: async (operation: string) => void sent.push(operation) };
  const made = new Line(new EventEmitter() as WebSocket, {
    pbx: 'office',
    time: new FakeClock(),
    log: new RecordedLog(),
    session: () => session as unknown as AriSession,
    onEvent: () => undefined,
    onEnd: () => undefined,
  });
  return { sent, ask: (operation: string) => made.run(operation, {}, 1_000) };
}

it('what a call makes us ask goes at the end of the turn, behind its push', async () => {
  const { sent, ask } = line();
  const asked = [ask('readAor'), ask('setVariable')];
  await Promise.resolve();
  expect(sent).toEqual([]);
  await nextTurn();
  expect(sent).toEqual(['readAor', 'setVariable']);
  await Promise.all(asked);
});

it('what lets a leg go on goes at once, and what was asked for before it goes first', async () => {
  const { sent, ask } = line();
  // The leg of the stored contact ends before the phone can answer at the other one: its cause must not be the last that the caller's Dial gets.
  const asked = [ask('hangup'), ask('goOn'), ask('follow')];
  expect(sent).toEqual(['hangup', 'goOn']);
  await nextTurn();
  expect(sent).toEqual(['hangup', 'goOn', 'follow']);
  await Promise.all(asked);
});
