/** In which order what was asked for is sent to an Asterisk, and what it is told besides. */
import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { Line, type LineOptions } from '../../adapters/pbx/asterisk/line.ts';
import type { AriSession } from '../../adapters/pbx/asterisk/session.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

function line(options: Partial<LineOptions> = {}) {
  const sent: string[] = [];
  const session = {
    run: async (operation: string) => void sent.push(operation),
    hear: () => undefined,
    end: () => undefined,
  };
  const socket = Object.assign(new EventEmitter(), {
    bufferedAmount: 0,
    pong: () => void sent.push('pong'),
    send: () => void sent.push('request'),
    close: () => undefined,
    terminate: () => undefined,
  });
  const made = new Line(socket as unknown as WebSocket, {
    pbx: 'office',
    time: new FakeClock(),
    log: new RecordedLog(),
    session: () => session as unknown as AriSession,
    onEvent: () => undefined,
    onEnd: () => undefined,
    ...options,
  });
  return { sent, socket, rest: made.rest, ask: (operation: string) => made.run(operation, {}, 1_000) };
}

const EVENT = JSON.stringify({ type: 'StasisStart' });

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

it('what was asked for in the turn in which the line ends is refused at once, and not when its time is over', async () => {
  const { sent, socket, ask } = line();
  const asked = ask('readAor');
  socket.emit('close');
  await expect(asked).rejects.toThrow(/link office went down/);
  expect(sent).toEqual([]);
});

it.each([
  { what: 'two events in one turn', hear: (s: EventEmitter) => [EVENT, EVENT].map((e) => s.emit('message', e)) },
  { what: 'the answer to a ping', hear: (s: EventEmitter) => s.emit('pong') },
])('Nagle: $what, and nothing is sent: one pong acknowledges', async ({ hear }) => {
  const { sent, socket } = line({ acknowledges: true });
  hear(socket);
  expect(sent).toEqual([]);
  await nextTurn();
  expect(sent).toEqual(['pong']);
  await nextTurn();
  hear(socket);
  await nextTurn();
  expect(sent).toEqual(['pong', 'pong']);
});

it('Nagle: what an event makes us send acknowledges it, and what is heard after that is acknowledged by itself', async () => {
  const { sent, socket, rest } = line({ acknowledges: true });
  socket.emit('message', EVENT);
  void rest.ask({ method: 'GET', path: 'asterisk/info' });
  await nextTurn();
  expect(sent).toEqual(['request']);
  void rest.ask({ method: 'GET', path: 'asterisk/info' });
  socket.emit('message', EVENT);
  await nextTurn();
  expect(sent).toEqual(['request', 'request', 'pong']);
});

it('an Asterisk that we connect to, whose HTTP server sends at once, gets no pongs', async () => {
  const { sent, socket } = line();
  socket.emit('message', EVENT);
  await nextTurn();
  expect(sent).toEqual([]);
});
