/** Events for others: told once, in time, to whoever wants them; a receiver that fails costs nobody else anything. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { create, optionsSchema } from '../../adapters/events/webhook/index.ts';
import { HOUR, MINUTE, SECOND } from '../../plugin/core/time.ts';
import type { EventName, EventSink, OutEvent } from '../../plugin/ports/event-sink.ts';
import { Events } from '../../plugin/runtime/webhooks/queue.ts';
import { FakeClock, NOON, settle } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { startWebhookStandIn, WEBHOOK_SECRET } from '../support/webhook-stand-in.ts';

class ScriptedSink implements EventSink {
  readonly name: string;
  readonly sent: OutEvent[] = [];
  answers: ('taken' | 'later' | 'refused' | 'hang' | 'throw')[] = [];
  always: 'taken' | 'later' | 'hang' = 'taken';
  inFlight = 0;
  most = 0;
  readonly #wanted: readonly EventName[] | undefined;

  constructor(name: string, wanted?: readonly EventName[]) {
    this.name = name;
    this.#wanted = wanted;
  }

  wants(type: EventName): boolean {
    return this.#wanted?.includes(type) ?? true;
  }

  async send(event: OutEvent, signal: AbortSignal): Promise<'taken' | 'later' | 'refused'> {
    this.sent.push(event);
    this.most = Math.max(this.most, ++this.inFlight);
    const answer = this.answers.shift() ?? this.always;
    try {
      await settle();
      if (answer === 'throw') throw new Error('boom');
      if (answer !== 'hang') return answer;
      return await new Promise((done) => signal.addEventListener('abort', () => done('later'), { once: true }));
    } finally {
      this.inFlight--;
    }
  }

  async close(): Promise<void> {}
}

let clock: FakeClock;
let log: RecordedLog;
let sink: ScriptedSink;
let other: ScriptedSink;
let events: Events;

beforeEach(() => {
  clock = new FakeClock();
  log = new RecordedLog();
  sink = new ScriptedSink('crm');
  other = new ScriptedSink('mail', ['ended']);
  let id = 0;
  events = new Events({ sinks: [sink, other], clock, log, newId: () => `${id++}` });
});
afterEach(async () => {
  await events.stop();
  expect(clock.pending(), 'timers left behind').toBe(0);
});

const tell = (type: EventName = 'bound', n = 1) => {
  for (let i = 0; i < n; i++) events.tell(type, NOON, '1001@example.com', { n: i });
};

describe('events for others', () => {
  it('reach whoever wants them', async () => {
    tell('bound');
    tell('ended');
    await clock.advance(0);
    await settle(5);
    expect(sink.sent.map((e) => e.type)).toEqual(['bound', 'ended']);
    expect(other.sent).toEqual([
      { id: 'evt_1', type: 'ended', at: '2026-01-05T12:00:00.000Z', aor: '1001@example.com', data: { n: 0 } },
    ]);
  });

  it('are tried again with the same id and growing pauses, one at a time', async () => {
    sink.answers = ['later', 'throw', 'later'];
    tell('bound', 3);
    await settle(20);
    // Those under way when the trouble began came back as well.
    const first = sink.sent.length;
    expect(first).toBeLessThanOrEqual(3);
    await clock.advance(SECOND);
    await settle(20);
    await clock.advance(MINUTE);
    await settle(20);
    expect(new Set(sink.sent.map((e) => e.id)).size).toBe(3);
    expect(events.stats()[0]).toEqual({ name: 'crm', waiting: 0, lost: 0 });
    expect(log.at('warn')).toHaveLength(1);
    expect(log.at('info').map((l) => l.message)).toEqual(['event receiver answers again']);
  });

  it('wait in bounds while a receiver is down, and hold up no other', async () => {
    sink.always = 'later';
    tell('ended', 10_050);
    await settle(50);
    expect(events.stats()).toMatchObject([
      { name: 'crm', waiting: 10_000 },
      { name: 'mail', waiting: expect.any(Number) },
    ]);
    expect(events.stats()[0]?.lost).toBe(50);
    expect(sink.most).toBeLessThanOrEqual(4);
    expect(log.at('error').length).toBeLessThanOrEqual(2);
    for (let i = 0; events.stats()[1]?.waiting !== 0 && i < 20_000; i++) await settle();
    expect(other.sent).toHaveLength(10_050 - (events.stats()[1]?.lost ?? 0));
  });

  it('are given up after a day', async () => {
    sink.always = 'later';
    tell();
    await clock.advance(25 * HOUR);
    expect(events.stats()[0]).toEqual({ name: 'crm', waiting: 0, lost: 1 });
  });

  it('one that is refused is lost, the next goes on', async () => {
    sink.answers = ['refused'];
    tell('bound', 2);
    await settle(10);
    expect(events.stats()[0]).toEqual({ name: 'crm', waiting: 0, lost: 1 });
  });

  it('a receiver that hangs is left when the program stops', async () => {
    sink.always = 'hang';
    tell('bound', 10);
    await settle(5);
    await events.stop();
    expect(log.at('warn').at(-1)).toMatchObject({ fields: { receiver: 'crm', lost: 10 } });
    tell();
    expect(sink.sent).toHaveLength(4);
  });
});

describe('an event webhook', () => {
  it('is signed, and reads the answers', async () => {
    const receiver = await startWebhookStandIn(clock);
    const webhook = create(
      { url: receiver.url, secret: WEBHOOK_SECRET, ca: receiver.endpoint.ca },
      { clock, log, name: 'crm' },
    );
    const event: OutEvent = { id: 'evt_1', type: 'bound', at: '2026-01-05T12:00:00.000Z', aor: 'a@b', data: {} };
    const never = new AbortController().signal;
    expect(await webhook.send(event, never)).toBe('taken');
    expect(JSON.parse(receiver.bodies[0] ?? '')).toEqual(event);
    for (const [status, expected] of [
      [400, 'refused'],
      [410, 'refused'],
      [401, 'later'],
      [404, 'later'],
      [302, 'later'],
      [429, 'later'],
      [500, 'later'],
    ] as const) {
      receiver.next({ status });
      expect([status, await webhook.send(event, never)]).toEqual([status, expected]);
    }
    receiver.next('hang');
    const hung = webhook.send(event, never);
    await receiver.received(9);
    await clock.advance(10 * SECOND);
    expect(await hung).toBe('later');
    await webhook.close();
    await receiver.close();
  });

  it('tells all but renewals unless told otherwise', () => {
    const of = (options: object) => {
      const webhook = create(
        { url: 'https://example.com/', secret: WEBHOOK_SECRET, ...options },
        { clock, log, name: 'crm' },
      );
      const names = ['bound', 'renewed', 'warned', 'ended', 'woken', 'missed'] as const;
      return names.filter((name) => webhook.wants(name));
    };
    expect(of({})).toEqual(['bound', 'warned', 'ended', 'woken', 'missed']);
    expect(of({ only: ['renewed'] })).toEqual(['renewed']);
    expect(optionsSchema.safeParse({ url: 'http://example.com/', secret: WEBHOOK_SECRET }).success).toBe(false);
    expect(optionsSchema.safeParse({ url: 'https://example.com/', secret: 'short' }).success).toBe(false);
  });
});
