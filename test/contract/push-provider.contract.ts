/**
 * What every push provider promises. A provider's test calls this with a harness over its stand-in and lists honestly what
 * the stand-in cannot provoke; each of those needs a test of its own beside the call.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import type { Targets } from '../../plugin/core/binding.ts';
import { MINUTE, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushProvider, PushPurpose, PushRequest, Verdict } from '../../plugin/ports/push-provider.ts';
import { NOON } from '../support/fake-clock.ts';
import type { RecordedLog } from '../support/recorded-log.ts';

export interface PushHarness {
  readonly provider: PushProvider;
  readonly log: RecordedLog;
  /** A device that takes everything. */
  readonly targets: Targets;
  /** The service gives the next push the answer of this row. False: the stand-in cannot. */
  provoke(row: Verdict): boolean;
  /** The service takes the next push and never answers. False: there is no service. */
  hang(): boolean;
  /** Resolves when the service has read `count` pushes, counted from the start. */
  received(count: number): Promise<void>;
  /** JSON texts that reached the service. */
  bodies(): readonly string[];
  /** Ends everything; the provider may already be closed. */
  stop(): Promise<void>;
}

export interface PushContract {
  readonly verdicts: readonly Verdict[];
  /** Reasons of rows the stand-in cannot provoke. */
  readonly cannotProvoke?: readonly string[];
  /** Purposes the service has nothing for. */
  readonly cannotSend?: readonly PushPurpose[];
  /** Largest payload for each purpose, in bytes; where one is not named, that of a notice. `everyPurpose` makes it. */
  readonly limitBytes: Readonly<Record<'call' | 'cancel' | 'refresh' | 'notice', number>> &
    Readonly<Partial<Record<PushPurpose, number>>>;
  start(): Promise<PushHarness>;
}

const PURPOSES: readonly PushPurpose[] = [
  'call',
  'cancel',
  'refresh',
  'notice',
  'missed',
  'message',
  'voicemail',
  'custom',
];
const never = new AbortController().signal;

/** The same limit in bytes for each purpose, but for those that are named. */
export const everyPurpose = (
  bytes: number,
  others: Partial<Record<PushPurpose, number>> = {},
): Record<PushPurpose, number> => ({
  ...(Object.fromEntries(PURPOSES.map((purpose) => [purpose, bytes])) as Record<PushPurpose, number>),
  ...others,
});

/** A push of each purpose, to where the provider wants it. Undefined when it has nowhere to send it. */
export function requestFor(
  provider: PushProvider,
  purpose: PushPurpose,
  targets: Targets,
  texts: { name?: string; title?: string; body?: string } = {},
): PushRequest | undefined {
  const target = provider.targetFor(purpose, targets);
  if (!target) return undefined;
  const via: keyof Targets = target === targets.call ? 'call' : 'other';
  const common = {
    target,
    via,
    pushId: '11111111-2222-4333-8444-555555555555',
    collapseId: 'collapse-1',
    sentAt: NOON,
    expiresAt: plus(NOON, MINUTE),
    aor: '1001@example.com' as Aor,
  };
  switch (purpose) {
    case 'call': {
      const caller = texts.name === undefined ? {} : { caller: { name: texts.name, number: '+420123456789' } };
      return { ...common, purpose, callId: 'call-1', ...caller };
    }
    case 'cancel':
      return { ...common, purpose, callId: 'call-1', word: 'elsewhere' };
    case 'refresh':
      return { ...common, purpose };
    case 'notice': {
      const title = texts.title === undefined ? {} : { title: texts.title };
      return { ...common, purpose, notice: 'soon', body: texts.body ?? 'Your account will expire soon.', ...title };
    }
    case 'missed': {
      const caller = texts.name === undefined ? {} : { caller: { name: texts.name, number: '+420123456789' } };
      return { ...common, purpose, callId: 'call-1', count: 3, body: 'Missed calls: 3', ...caller };
    }
    case 'message': {
      const caller = texts.name === undefined ? {} : { caller: { name: texts.name, number: '+420123456789' } };
      const text = texts.body === undefined ? {} : { text: texts.body };
      return { ...common, purpose, count: 2, body: 'New messages: 2', ...text, ...caller };
    }
    case 'voicemail': {
      const caller = texts.name === undefined ? {} : { caller: { name: texts.name, number: '+420123456789' } };
      return { ...common, purpose, count: 1, body: 'New voice messages: 1', ...caller };
    }
    case 'custom': {
      const title = texts.title === undefined ? {} : { title: texts.title };
      return { ...common, purpose, urgent: true, data: { door: 7 }, body: texts.body ?? 'Somebody rings.', ...title };
    }
  }
}

/** Texts that have broken payload builders: many bytes for each character, quotes, right to left, half a surrogate pair. */
const TEXTS: readonly [string, string][] = [
  ['300 letters', 'x'.repeat(300)],
  ['300 emoji', '👩‍👩‍👧‍👦'.repeat(300)],
  ['300 quotes and backslashes', '"\\'.repeat(300)],
  ['right to left', 'שלום עולם مرحبا '.repeat(300)],
  ['control characters', '\u0000\u0007\u001b\r\n\u2028'.repeat(300)],
  ['half of a surrogate pair', `${'\ud83d'.repeat(200)}${'\ude00'.repeat(200)}`],
  ['10 000 letters', 'ž'.repeat(10_000)],
];

export function pushProviderContract(name: string, contract: PushContract): void {
  describe(`${name} keeps the contract of push providers`, () => {
    let harness: PushHarness;
    beforeEach(async () => {
      harness = await contract.start();
    });
    afterEach(() => harness.stop());

    const push = (purpose: PushPurpose, targets = harness.targets) => {
      const request = requestFor(harness.provider, purpose, targets);
      if (!request) throw new Error(`the harness has no target for a ${purpose}`);
      return request;
    };

    /** All that a token must not appear in. */
    const seen = (outcome: unknown) => `${JSON.stringify(outcome)}\n${harness.log.text()}`;
    const secrets = () => [harness.targets.call, harness.targets.other].flatMap((t) => (t ? [t.token.reveal()] : []));

    it.each(PURPOSES)('a healthy device gets a %s', async (purpose) => {
      if (contract.cannotSend?.includes(purpose)) {
        return expect(harness.provider.targetFor(purpose, harness.targets)).toBeUndefined();
      }
      const outcome = await harness.provider.send(push(purpose), never);
      expect(outcome.kind).toBe('accepted');
      for (const secret of secrets()) expect(seen(outcome)).not.toContain(secret);
    });

    it('a token that is only good for calls gets nothing else', () => {
      const { call } = harness.targets;
      const targets = call ? { call } : {};
      const chosen = PURPOSES.map((purpose) => harness.provider.targetFor(purpose, targets)?.token.reveal());
      expect(chosen).toEqual([call?.token.reveal(), ...PURPOSES.slice(1).map(() => undefined)]);
    });

    it("another service's targets are not its business", () => {
      const target = { provider: 'someone-else', app: 'x', token: new Token('x') };
      for (const purpose of PURPOSES) {
        expect(harness.provider.targetFor(purpose, { call: target, other: target })).toBeUndefined();
      }
    });

    describe('every row of the verdict table gives its outcome', () => {
      const rows = contract.verdicts.map((row) => [`${row.status ?? 'no status'} ${row.reason}`, row] as const);
      it.each(rows)('%s', async (_, row) => {
        const provoked = row.reason === 'aborted' || harness.provoke(row);
        expect(provoked, 'provoked, or listed as impossible').toBe(!contract.cannotProvoke?.includes(row.reason));
        if (!provoked) return;
        const signal = row.reason === 'aborted' ? AbortSignal.abort() : never;
        const outcome = await harness.provider.send(push('call'), signal);
        expect(outcome.kind).toBe(row.outcome);
        if ('reason' in outcome && row.reason !== '*') expect(outcome.reason).toBe(row.reason);
        if (outcome.kind === 'retryLater') expect([outcome.afterMs, outcome.unsure]).toEqual([row.afterMs, row.unsure]);
        if (outcome.kind === 'retryLater' || outcome.kind === 'misconfigured') expect(outcome.scope).toBe(row.scope);
        if (outcome.kind === 'misconfigured') expect(outcome.hint).toBe(row.hint);
        for (const secret of secrets()) expect(seen(outcome)).not.toContain(secret);
      });

      it('and no answer has two rows', () => {
        const keys = contract.verdicts.map(({ status, reason }) => `${status} ${reason}`);
        expect(new Set(keys).size).toBe(keys.length);
      });

      it('and a misconfiguration says what to do', () => {
        for (const row of contract.verdicts)
          if (row.outcome === 'misconfigured') expect(row.hint, row.reason).toBeTruthy();
      });
    });

    it('aborts at once while the service is silent', async () => {
      const stop = new AbortController();
      const hangs = harness.hang();
      const outcome = harness.provider.send(push('call'), stop.signal);
      if (!hangs) return;
      await harness.received(1);
      stop.abort();
      expect(await outcome).toEqual({ kind: 'retryLater', reason: 'aborted' });
    });

    it('sends nothing for a signal that is already aborted', async () => {
      const outcome = await harness.provider.send(push('call'), AbortSignal.abort());
      expect(outcome).toEqual({ kind: 'retryLater', reason: 'aborted' });
      expect(harness.bodies()).toEqual([]);
    });

    it.each(TEXTS)('stays under the limit with %s, and cuts no character in two', async (_, text) => {
      const texts = { name: text, title: text, body: text };
      for (const purpose of PURPOSES) {
        const request = requestFor(harness.provider, purpose, harness.targets, texts);
        if (!request) continue;
        expect(await harness.provider.send(request, never)).toMatchObject({ kind: 'accepted' });
        const body = harness.bodies().at(-1);
        if (body === undefined) continue;
        expect(Buffer.byteLength(body)).toBeLessThanOrEqual(contract.limitBytes[purpose] ?? contract.limitBytes.notice);
        expect(body).not.toContain('\ufffd\ufffd\ufffd…');
        const loneSurrogate = /\\u[dD][89a-fA-F]/;
        expect(body).not.toMatch(loneSurrogate);
        expect(JSON.parse(body)).toBeTypeOf('object');
      }
    });

    it('leaves the caller out when none is given', async () => {
      await harness.provider.send(push('call'), never);
      for (const body of harness.bodies()) expect(body).not.toMatch(/caller|420123456789/);
    });

    it('closes as often as asked, and sends nothing after', async () => {
      await harness.provider.send(push('call'), never);
      const before = harness.bodies().length;
      await harness.provider.close();
      await harness.provider.close();
      expect(await harness.provider.send(push('call'), never)).toEqual({ kind: 'failed', reason: 'closed' });
      expect(harness.bodies()).toHaveLength(before);
    });

    it('gives an outcome to what is in flight when it closes, and none twice', async () => {
      const hangs = harness.hang();
      const outcome = harness.provider.send(push('call'), never);
      if (!hangs) return;
      await harness.received(1);
      await harness.provider.close();
      expect((await outcome).kind).toBe('retryLater');
    });
  });
}
