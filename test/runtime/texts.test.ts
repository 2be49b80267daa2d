/** SIP MESSAGEs for phones that sleep: what is kept, pushed and delivered, to whom, in which order, and how often. */
import { describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { LONGEST_TEXT, mistakeInText, senderOf } from '../../plugin/core/texts.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../plugin/core/time.ts';
import { LinkError, type TextOutcome } from '../../plugin/ports/pbx-link.ts';
import { ACCOUNT, FROM, TextSite, uriOf } from '../support/text-site.ts';

const site = (options: ConstructorParameters<typeof TextSite>[0] = {}) => new TextSite(options).start();

describe('a text for a phone that sleeps', () => {
  it('is kept, the phone is pushed, and it is delivered once after the REGISTER, in order', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    await s.text('b', { contentType: 'text/html;charset=utf-8' });
    expect(s.answers).toEqual({ a: 'kept', b: 'kept' });
    expect(s.sent).toEqual([]);
    expect(s.pushes.map((p) => [p.count, p.target.token.reveal()[0]])).toEqual([[1, 'b']]);
    await s.register();
    expect(s.sent).toEqual(['1: text a', '1: text b']);
    expect(s.pbx.orders.find((o) => o.order === 'sendText')).toMatchObject({ from: FROM });
    await s.register();
    await s.clock.advance(HOUR);
    await s.register();
    expect(s.sent, 'and never again').toHaveLength(2);
    expect((await s.store.get(ACCOUNT))?.bindings[0]).not.toHaveProperty('texts');
  });

  it('comes to each of its devices once, to those that are awake at once and without a push', async () => {
    const s = await site();
    await s.asleep(1);
    await s.register(2);
    await s.text('a');
    expect(s.sent).toEqual(['2: text a']);
    expect(s.pushes.map((p) => p.target.token.reveal().slice(0, 2))).toEqual(['b1']);
    await s.register(2);
    await s.register(1);
    await s.register(1);
    expect(s.sent).toEqual(['2: text a', '1: text a']);
  });

  it('reaches a phone that pushwake does not know once, as without us, whatever becomes of it', async () => {
    const s = await site();
    await s.asleep();
    s.pbx.register('1001', 'sip:1001@192.0.2.9:40009', { told: true });
    await s.idle();
    s.pbx.phoneAnswers = async () => 'unreached';
    await s.text('a');
    expect(s.sent).toEqual(['9: text a']);
    await s.register(9);
    expect(s.sent.filter((x) => x === '9: text a')).toHaveLength(1);
  });

  it('waits for the REGISTER where the phone has not just registered: a socket that sleeps would hand it over a second time', async () => {
    const s = await site();
    await s.register();
    await s.clock.advance(31 * SECOND);
    await s.text('a');
    expect(s.sent).toEqual([]);
    expect(s.pushes).toHaveLength(1);
    await s.register();
    expect(s.sent).toEqual(['1: text a']);
    s.pbx.phoneAnswers = async () => 'sent';
    await s.text('b');
    expect(s.sent, 'it registered a moment ago').toEqual(['1: text a', '1: text b']);
    await s.clock.advance(31 * SECOND);
    s.pbx.phoneAnswers = async () => 'taken';
    await s.text('c');
    expect(s.pushes).toHaveLength(2);
    await s.register();
    await s.clock.advance(20 * SECOND);
    await s.text('d');
    await s.clock.advance(20 * SECOND);
    await s.text('e');
    expect(s.sent.slice(2), 'and a phone that answers a text is there').toEqual([
      '1: text c',
      '1: text d',
      '1: text e',
    ]);
    expect(s.pushes).toHaveLength(2);
  });

  it.each([
    ['taken', 1, 0],
    ['sent', 1, 0],
    // The phone would say so again.
    ['refused', 1, 0],
    ['unreached', 2, 1],
  ] as const)('that is %s: sent %i times in two REGISTERs, %i left', async (outcome, times, left) => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    s.pbx.phoneAnswers = async () => outcome as TextOutcome;
    await s.register();
    await s.register();
    expect(s.sent).toHaveLength(times);
    expect(await s.store.kept.of(ACCOUNT)).toHaveLength(left);
  });

  it('stops at the first that does not arrive: the order is kept', async () => {
    const s = await site();
    await s.asleep();
    for (const id of ['a', 'b', 'c']) await s.text(id);
    s.pbx.phoneAnswers = async (_, { body }) => (body === 'text b' ? 'unreached' : 'taken');
    await s.register();
    expect(s.sent).toEqual(['1: text a', '1: text b']);
    s.pbx.phoneAnswers = async () => 'taken';
    await s.register();
    expect(s.sent.slice(2)).toEqual(['1: text b', '1: text c']);
  });

  it('is not sent twice by two REGISTERs at once, nor by one that is told twice', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    let answer: (outcome: TextOutcome) => void = () => undefined;
    s.pbx.phoneAnswers = () => new Promise((resolve) => (answer = resolve));
    const first = s.register();
    const second = s.register();
    await s.clock.advance(SECOND);
    answer('taken');
    await Promise.all([first, second]);
    expect(s.sent).toEqual(['1: text a']);
  });

  it('that comes while another is on its way follows it', async () => {
    const s = await site();
    await s.register();
    let answer: (outcome: TextOutcome) => void = () => undefined;
    s.pbx.phoneAnswers = () => new Promise((resolve) => (answer = resolve));
    const first = s.text('a');
    await s.clock.advance(10);
    const second = s.text('b');
    await s.clock.advance(10);
    s.pbx.phoneAnswers = async () => 'taken';
    answer('taken');
    await Promise.all([first, second]);
    expect(s.sent).toEqual(['1: text a', '1: text b']);
    expect(s.pushes).toEqual([]);
  });

  it('is on its way to an address that its phone has left: pushed after a second, and sent to where it registers', async () => {
    const s = await site();
    await s.register(1);
    s.pbx.phoneAnswers = ({ uri }) =>
      uri.includes(':40001') ? new Promise(() => undefined) : Promise.resolve('taken');
    s.pbx.emit({
      type: 'textArrived',
      pbx: 'office',
      id: 'a',
      aor: ACCOUNT,
      from: FROM,
      to: '<sip:1001@example.com>',
      contentType: 'text/plain',
      body: 'text a',
    });
    await s.clock.advance(2 * SECOND);
    expect([s.sent, s.pushes.length], 'no answer yet').toEqual([[], 1]);
    const elsewhere = uriOf(1).replace(':40001', ':40005');
    s.pbx.register('1001', elsewhere, { told: true });
    await s.clock.advance(SECOND);
    await s.idle();
    expect(s.sent).toEqual(['5: text a']);
    expect(await s.store.kept.of(ACCOUNT)).toEqual([]);
  });

  it('reaches a phone that registers after a restart, before the record knows of the text', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    const record = await s.store.get(ACCOUNT);
    if (record) s.store.write({ ...record, bindings: record.bindings.map(({ texts: _, ...b }) => b) });
    await s.runtime.stop();
    const next = new TextSite({ clock: s.clock, store: s.store, pbx: s.pbx });
    const accounts = s.store.kept.accounts.bind(s.store.kept);
    // The phone is faster than our look at the store.
    s.store.kept.accounts = async () => {
      next.pbx.register('1001', uriOf(1), { told: true });
      await new Promise((later) => setImmediate(later));
      return accounts();
    };
    await next.start();
    await next.idle();
    expect(next.sent).toEqual(['1: text a']);
  });

  it('does not hold up the end of pushwake', async () => {
    const s = await site();
    await s.register(1);
    s.pbx.phoneAnswers = () => new Promise(() => undefined);
    const arrived = {
      type: 'textArrived',
      pbx: 'office',
      id: 'a',
      aor: ACCOUNT,
      from: FROM,
      to: '<sip:1001@x>',
    } as const;
    s.pbx.emit({ ...arrived, contentType: 'text/plain', body: 'text a' });
    await s.clock.advance(10);
    await s.runtime.stop();
    expect(await s.store.kept.of(ACCOUNT)).toHaveLength(1);
  });

  it('the PBX hands over twice is kept once, also after it was delivered', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    await s.text('a');
    expect(s.answers).toEqual({ a: 'kept' });
    await s.register();
    await s.text('a');
    await s.register();
    expect(s.sent).toEqual(['1: text a']);
  });

  it('nobody fetches ends after seven days with an event, and the phone gets it no more', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    const device = (await s.store.get(ACCOUNT))?.bindings[0]?.id;
    await s.clock.advance(6 * DAY);
    await s.idle();
    s.pbx.phoneAnswers = async () => 'unreached';
    await s.register();
    await s.clock.advance(DAY + 2 * MINUTE);
    await s.idle();
    const over = s.events.filter((e) => e.type === 'text-expired');
    expect(over.map((e) => [e.aor, e.data.devices])).toEqual([[ACCOUNT, [device]]]);
    expect(JSON.stringify(over)).not.toMatch(/text a|77001234|Zoë/);
    s.pbx.phoneAnswers = async () => 'taken';
    await s.register();
    expect(s.sent).toEqual(['1: text a']);
    expect((await s.store.get(ACCOUNT))?.bindings[0]).not.toHaveProperty('texts');
  });

  it('is delivered after a restart, also where we died before its phone was pushed', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    const pushed = s.pushes.length;
    const record = await s.store.get(ACCOUNT);
    // As a crash between the text and the mark leaves it.
    if (record) s.store.write({ ...record, bindings: record.bindings.map(({ texts: _, ...b }) => b) });
    await s.runtime.stop();
    const next = new TextSite({ clock: s.clock, store: s.store, pbx: s.pbx });
    await next.start();
    expect([pushed, next.pushes.length]).toEqual([1, 1]);
    await next.register();
    expect(next.sent).toEqual(['1: text a']);
  });
});

describe('a text is left to the PBX', () => {
  const left = async (s: TextSite, id = 'a', more: Parameters<TextSite['text']>[1] = {}) => {
    await s.text(id, more);
    return s.answers[id];
  };

  it.each([
    ['while it is not switched on', { settings: { messages: { wake: false, showText: false } } }],
    ['in mode observe', { settings: { mode: 'observe' } }],
  ] as const)('%s', async (_, options) => {
    const s = await site(options);
    await s.asleep();
    expect(await left(s)).toBe('plain');
    expect([s.pushes, await s.store.kept.of(ACCOUNT)]).toEqual([[], []]);
  });

  it('for an account without a phone that can be woken', async () => {
    const s = await site();
    await s.asleep();
    expect(await left(s, 'a', { aor: '1002@example.com' as Aor })).toBe('plain');
  });

  it('when the store does not answer and the memory that bridges it is full: a thousand texts, or 4 MB', async () => {
    const s = await site();
    const accounts = await s.sleepers(12);
    s.store.kept.down = 'disk full';
    const flood = async (prefix: string, body: string) => {
      const answers = { kept: 0, plain: 0 };
      for (let n = 0; n < 1_100; n++) {
        const id = `${prefix}${n}`;
        await s.text(id, { aor: accounts[n % 12] as Aor, from: `<sip:${n}@example.com>`, body }, 'quickly');
        answers[s.answerOf(id) as 'kept' | 'plain']++;
        // Not above the pace of all.
        await s.clock.advance(10);
      }
      return answers;
    };
    expect(await flood('long', 'x'.repeat(LONGEST_TEXT))).toEqual({ kept: 125, plain: 975 });
    s.store.kept.down = undefined;
    await s.clock.advance(2 * SECOND);
    expect(await s.store.kept.of(accounts[0] as Aor)).toHaveLength(11);
    s.store.kept.down = 'disk full';
    expect(await flood('short', 'x')).toEqual({ kept: 1_000, plain: 100 });
    expect(s.log.text().match(/disk full/g), 'one line for each outage').toHaveLength(2);
  });

  it('when a hundred wait for the phone already', async () => {
    const s = await site();
    await s.asleep();
    for (let n = 0; n < 101; n++) {
      await s.text(`t${n}`, { from: `<sip:${n}@example.com>` });
    }
    expect([s.answers.t99, s.answers.t100]).toEqual(['kept', 'plain']);
  });

  it.each([
    ['1 MB', { body: 'x'.repeat(1024 * 1024) }],
    ['one byte too long', { body: 'x'.repeat(LONGEST_TEXT + 1) }],
    ['empty', { body: '' }],
    ['a content type with a line break', { contentType: 'text/plain\r\nX-Evil: 1' }],
    ['a content type of 10 kB', { contentType: `text/${'x'.repeat(10_000)}` }],
    ['no content type', { contentType: '' }],
    ['a sender with a line break', { from: '<sip:2000@example.com>\r\nX-Evil: 1' }],
    ['a sender of 10 kB', { from: `<sip:${'2'.repeat(10_000)}@example.com>` }],
  ])('that is hostile: %s', async (_, more) => {
    const s = await site();
    await s.asleep();
    expect(await left(s, 'a', more)).toBe('plain');
    expect(s.pushes).toEqual([]);
    expect(await left(s, 'b'), 'and nothing else is disturbed').toBe('kept');
  });

  it('above the pace of one sender, while others get through', async () => {
    const s = await site();
    await s.asleep();
    for (let n = 0; n < 1_000; n++) {
      s.pbx.emit({
        type: 'textArrived',
        pbx: 'office',
        id: `f${n}`,
        aor: ACCOUNT,
        from: FROM,
        to: '<sip:1001@example.com>',
        contentType: 'text/plain',
        body: 'flood',
      });
    }
    await s.idle();
    const kept = Object.values(s.answers).filter((a) => a === 'kept').length;
    expect([kept, Object.keys(s.answers).length]).toEqual([30, 1_000]);
    expect(s.pushes.length, 'one push for all of them').toBe(1);
    expect(await left(s, 'other', { from: '<sip:3000@example.com>' })).toBe('kept');
    await s.clock.advance(11 * SECOND);
    expect(await left(s, 'later')).toBe('kept');
  });
});

describe('a store that is away for a minute', () => {
  /** Texts and records, as with Redis. */
  const away = (s: TextSite, reason: string | undefined) => {
    s.store.kept.down = reason;
    s.store.down = reason;
  };
  const minute = async (s: TextSite) => {
    for (let i = 0; i < 60; i++) await s.clock.advance(SECOND);
    away(s, undefined);
    for (let i = 0; i < 5; i++) await s.clock.advance(SECOND);
    await s.idle();
  };

  it('texts that come meanwhile are pushed and delivered afterwards, each once, in order, behind those from before', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    await s.clock.advance(MINUTE);
    await s.idle();
    away(s, 'redis is away');
    await s.text('b');
    await s.text('c');
    await s.text('b');
    expect(s.answers).toEqual({ a: 'kept', b: 'kept', c: 'kept' });
    await minute(s);
    expect(s.pushes.map((p) => p.count)).toEqual([1, 3]);
    await s.register();
    await s.text('c');
    await s.register();
    expect(s.sent).toEqual(['1: text a', '1: text b', '1: text c']);
    expect(await s.store.kept.of(ACCOUNT)).toEqual([]);
    expect(s.log.text().match(/redis is away/g)).toHaveLength(2);
  });

  it('a phone that is there gets them meanwhile, and not again afterwards', async () => {
    const s = await site();
    await s.register();
    away(s, 'redis is away');
    await s.text('a');
    await s.text('b');
    expect(s.sent).toEqual(['1: text a', '1: text b']);
    await minute(s);
    await s.register();
    await s.text('a');
    await s.register();
    expect([s.sent.length, s.pushes]).toEqual([2, []]);
  });

  it('a phone that takes a text in the moment in which the store goes does not get it again', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    await s.text('b');
    s.pbx.phoneAnswers = async () => {
      away(s, 'redis is away');
      return 'taken';
    };
    await s.register();
    expect(s.sent).toEqual(['1: text a']);
    s.pbx.phoneAnswers = async () => 'taken';
    await minute(s);
    await s.register();
    await s.register();
    expect(s.sent).toEqual(['1: text a', '1: text b']);
    expect(await s.store.kept.of(ACCOUNT)).toEqual([]);
  });

  it('a phone that came and went meanwhile is pushed once more', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    await s.clock.advance(MINUTE);
    away(s, 'redis is away');
    await s.asleep();
    await minute(s);
    expect([s.sent, s.pushes.length]).toEqual([[], 2]);
    await s.register();
    expect(s.sent).toEqual(['1: text a']);
  });

  it('a store that is slow and has the text all the same: it is there once', async () => {
    const s = await site();
    await s.asleep();
    const { keep } = s.store.kept;
    s.store.kept.keep = async (...text) => {
      const kept = await keep.call(s.store.kept, ...text);
      await new Promise<void>((done) => s.clock.after(MINUTE, done));
      return kept;
    };
    const coming = s.text('a');
    await s.clock.advance(SECOND);
    s.store.kept.keep = keep;
    await coming;
    expect(s.answers).toEqual({ a: 'kept' });
    await s.clock.advance(2 * SECOND);
    await s.register();
    await s.clock.advance(2 * MINUTE);
    await s.register();
    expect(s.sent).toEqual(['1: text a']);
    expect(await s.store.kept.of(ACCOUNT)).toEqual([]);
  });

  it('pushwake that is stopped meanwhile says how many are lost, and loses none when the store is back', async () => {
    const lost = await site();
    await lost.asleep();
    away(lost, 'redis is away');
    await lost.text('a');
    const stopping = lost.runtime.stop();
    await lost.clock.advance(3 * SECOND);
    await stopping;
    expect(lost.log.lines.at(-1)).toMatchObject({
      fields: { texts: 1 },
      message: expect.stringMatching(/^texts lost/),
    });
    const saved = await site();
    await saved.asleep();
    away(saved, 'redis is away');
    await saved.text('a');
    away(saved, undefined);
    await saved.runtime.stop();
    expect(await saved.store.kept.of(ACCOUNT)).toHaveLength(1);
  });
});

describe('a PBX that goes away', () => {
  it('between the disk and our answer: the phone is pushed, and gets the text once when the PBX is back', async () => {
    const s = await site();
    await s.asleep();
    s.pbx.answerText = async () => {
      throw new LinkError('the link is down');
    };
    await s.text('a');
    expect(s.pushes).toHaveLength(1);
    s.pbx.disconnect();
    await s.clock.advance(10 * SECOND);
    s.pbx.connect();
    await s.idle();
    await s.text('a');
    await s.register();
    await s.register();
    expect(s.sent).toEqual(['1: text a']);
  });

  it('between keeping and delivery: nothing is lost, nothing comes twice', async () => {
    const s = await site();
    await s.register();
    s.pbx.phoneAnswers = async () => {
      s.pbx.disconnect();
      return 'unreached';
    };
    await s.text('a');
    expect(await s.store.kept.of(ACCOUNT)).toHaveLength(1);
    s.pbx.phoneAnswers = async () => 'taken';
    s.pbx.remove(ACCOUNT, uriOf(1));
    s.pbx.connect();
    await s.idle();
    await s.register();
    await s.register();
    expect(s.sent.filter((x) => x === '1: text a')).toHaveLength(2);
    expect(s.pbx.orders.filter((o) => o.order === 'sendText').map((o) => o.outcome)).toEqual(['unreached', 'taken']);
  });
});

describe('a phone that registers and is gone again', () => {
  it('before its text reached it: pushed once more, and not again before it has taken one', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    s.pbx.phoneAnswers = async () => 'unreached';
    for (let i = 0; i < 5; i++) {
      await s.clock.advance(MINUTE);
      await s.asleep();
    }
    await s.clock.advance(MINUTE);
    await s.idle();
    expect(s.pushes.map((p) => p.count)).toEqual([1, 1]);
    s.pbx.phoneAnswers = async () => 'taken';
    await s.asleep();
    await s.clock.advance(MINUTE);
    await s.text('b');
    s.pbx.phoneAnswers = async () => 'unreached';
    await s.asleep();
    await s.clock.advance(MINUTE);
    await s.idle();
    expect(s.pushes.map((p) => p.count)).toEqual([1, 1, 1, 1]);
  });
});

describe('what a text says', () => {
  const secret = 'the PIN is 4711';
  const everything = async (settings: object) => {
    const s = await site({ settings });
    await s.asleep();
    await s.text('a', { body: secret });
    await s.register();
    const record = JSON.stringify(await s.store.get(ACCOUNT));
    return { s, seen: [s.log.text(), JSON.stringify(s.events), record].join('\n'), pushed: JSON.stringify(s.pushes) };
  };

  it('is in no log, event, record or push', async () => {
    const { seen, pushed } = await everything({});
    expect(seen).not.toMatch(/4711|Zoë|77001234/);
    expect(pushed).not.toMatch(/4711|Zoë|77001234/);
  });

  it('is in the push with messages.showText, its sender with calls.showCaller, and in nothing else', async () => {
    const { s, seen } = await everything({ showCaller: true, messages: { wake: true, showText: true } });
    expect(s.pushes[0]).toMatchObject({ text: secret, caller: { name: 'Zoë', number: '77001234' } });
    expect(seen).not.toMatch(/4711|Zoë|77001234/);
  });

  it('is not shown where it is no plain text', async () => {
    const s = await site({ settings: { messages: { wake: true, showText: true } } });
    await s.asleep();
    await s.text('a', { body: '<b>x</b>', contentType: 'text/html' });
    expect(s.pushes[0]).not.toHaveProperty('text');
  });
});

describe('what is said of texts', () => {
  const said = async (s: TextSite) =>
    (await s.runtime.operator.explain(ACCOUNT))?.texts.map((t) => t.replace(/device \w+/g, 'device X'));

  it('explain: what became of each, the latest first; the account: what waits', async () => {
    const s = await site();
    await s.asleep();
    await s.text('a');
    await s.clock.advance(3_200);
    await s.register();
    s.store.kept.down = 'redis is away';
    await s.asleep();
    await s.clock.advance(MINUTE);
    await s.text('b');
    s.store.kept.down = undefined;
    await s.clock.advance(2 * SECOND);
    await s.text('c', { body: '' });
    s.pbx.phoneAnswers = async () => 'unreached';
    await s.asleep();
    expect(await said(s)).toEqual([
      expect.stringMatching(
        /^Text for 1001@example.com, 0 ms ago, on office: left to the PBX, as without pushwake: it has no body/,
      ),
      'Text for 1001@example.com, 2 s ago, on office: kept for one device, in memory, because the store did not answer, sent in vain to device X after 2 s.',
      'Text for 1001@example.com, 1 min ago, on office: kept for one device, taken by device X after 3.2 s.',
    ]);
    const explained = await s.runtime.operator.explain(ACCOUNT);
    expect(explained?.devices.join()).toMatch(
      /1 text waits until it registers, the last one came \d+ s ago; the push goes out again in \d+ s\./,
    );
    expect(s.runtime.status.texts()).toEqual({ kept: 2, delivered: 1, expired: 0, plain: { 'no body': 1 }, held: 0 });
  });

  it('explain: an account without a device, and texts that are not switched on', async () => {
    const s = await site({ settings: { messages: { wake: false, showText: false } } });
    await s.text('a');
    expect(await said(s)).toEqual([
      'Text for 1001@example.com, 0 ms ago, on office: left to the PBX, as without pushwake: texts are not switched on (messages.wake), or mode is observe.',
    ]);
  });
});

describe('reading a text', () => {
  it.each([
    ['"Zoë Müller" <sip:2000@example.com>', { name: 'Zoë Müller', number: '2000' }],
    ['Zoe <sip:+420123@example.com;transport=tcp>', { name: 'Zoe', number: '+420123' }],
    ['"a \\"quoted\\" name" <sips:x@y>', { name: 'a "quoted" name', number: 'x' }],
    ['sip:2000@example.com', { number: '2000' }],
    ['<sip:2000@example.com>', { number: '2000' }],
    ['nonsense', {}],
  ])('%s', (from, expected) => {
    expect(senderOf(from)).toEqual(expected);
  });

  it('bears what is as long as it may be', () => {
    const good = { from: FROM, to: '<sip:1001@example.com>', contentType: 'text/plain' };
    expect(mistakeInText({ ...good, body: 'ž'.repeat(LONGEST_TEXT / 2) })).toBeUndefined();
    expect(mistakeInText({ ...good, body: '\u0000\u0001' })).toBeUndefined();
    expect(mistakeInText({ ...good, body: 'x', contentType: 'message/cpim' })).toBeUndefined();
  });
});

describe('a device whose Contact does not say which one it is', () => {
  it('gets its texts at the REGISTER that follows its push', async () => {
    const s = await site();
    const targets = s.service.targets('tok-acrobits');
    await s.runtime.reports.registered(ACCOUNT, 'sip:1001@192.0.2.9:40009', s.clock.now());
    await s.runtime.reports.report(ACCOUNT, { installId: 'i1' }, targets);
    await s.idle();
    expect((await s.store.get(ACCOUNT))?.bindings).toHaveLength(1);
    await s.text('a');
    expect(s.pushes).toHaveLength(1);
    await s.clock.advance(3 * SECOND);
    s.pbx.register('1001', 'sip:1001@192.0.2.9:40009', { told: true });
    await s.idle();
    expect(s.sent).toEqual(['9: text a']);
  });
});
