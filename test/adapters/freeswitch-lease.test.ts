/** The lease against a mod_hash whose answers take their time: what is written when, and what is left behind. */
import { describe, expect, it } from 'vitest';
import { LEASE_EVERY_MS, LEASE_SECONDS, Lease, Observing } from '../../adapters/pbx/freeswitch/lease.ts';

const NOW = 1_800_000_000;

/** Carries out commands in their order and at once, as the event socket does; `slow` holds the answers back. */
class Hash {
  readonly marks = new Map<string, string>();
  nowSeconds = NOW;
  #answers: (() => void)[] = [];
  slow = false;

  readonly api = (command: string): Promise<string> => {
    const answer = this.#carryOut(command);
    if (!this.slow) return Promise.resolve(answer);
    return new Promise((resolve) => this.#answers.push(() => resolve(answer)));
  };

  answer(): void {
    for (const one of this.#answers.splice(0)) one();
  }

  #carryOut(command: string): string {
    if (command === 'strepoch') return String(this.nowSeconds);
    const [, verb, key = '', value = ''] = /^hash (\w+)\/(pushwake\/\w+)(?:\/(.*))?$/.exec(command) ?? [];
    if (verb === 'select') return this.marks.get(key) ?? '';
    if (verb === 'insert') this.marks.set(key, value);
    else this.marks.delete(key);
    return '+OK\n';
  }

  /** Time passes for everybody alike. */
  lease(node: string): Lease {
    return new Lease(node, this.api, () => this.nowSeconds * 1_000);
  }

  get holder(): string | undefined {
    return Number(this.marks.get('pushwake/until') ?? 0) > this.nowSeconds
      ? this.marks.get('pushwake/node')
      : undefined;
  }
}

describe('lease', () => {
  it('is held by one node; the other stands by until it was dropped', async () => {
    const hash = new Hash();
    const [a, b] = [hash.lease('a'), hash.lease('b')];
    expect([await a.renew(), await b.renew(), await a.renew()]).toEqual(['held', 'standby', 'held']);
    await a.drop();
    expect(hash.holder, 'no call falls between the two').toBe('b');
    expect(await b.renew()).toBe('held');
    // It is alone now.
    await b.drop();
    expect(hash.holder).toBeUndefined();
  });

  it('is not handed to a node that stood by long ago', async () => {
    const hash = new Hash();
    const [a, b] = [hash.lease('a'), hash.lease('b')];
    await a.renew();
    await b.renew();
    for (let i = 0; i < 3; i++) {
      hash.nowSeconds += 1;
      await a.renew();
    }
    await a.drop();
    expect(hash.holder).toBeUndefined();
  });

  it('is left alone by a node that goes while it stands by', async () => {
    const hash = new Hash();
    const [a, b] = [hash.lease('a'), hash.lease('b')];
    await a.renew();
    await b.renew();
    await b.drop();
    expect(hash.holder).toBe('a');
  });

  it('of a node that renews no more falls to the other a second before it would run out', async () => {
    const hash = new Hash();
    const [a, b] = [hash.lease('a'), hash.lease('b')];
    await a.renew();
    hash.nowSeconds += LEASE_SECONDS - 2;
    expect(await b.renew()).toBe('standby');
    hash.nowSeconds += 1;
    expect(hash.holder).toBe('a');
    expect(await b.renew()).toBe('held');
    // The one that hung comes back and finds that another works.
    expect(await a.renew()).toBe('standby');
    expect(hash.holder).toBe('b');
  });

  it.each([0, 250, 499, 750, 999])(
    'renewed at %i ms of a second it is taken before it ends, and not before three renewals are missed',
    (phaseMs) => {
      // FreeSWITCH counts whole seconds.
      const seconds = (ms: number) => Math.floor((phaseMs + ms) / 1_000);
      const endsMs = LEASE_SECONDS * 1_000 - phaseMs;
      const isTaken = (ms: number) => LEASE_SECONDS - seconds(ms) <= 1;
      const takenMs = Array.from({ length: 5_000 }, (_, ms) => ms).find(isTaken) as number;
      expect(takenMs).toBeGreaterThan(3 * LEASE_EVERY_MS);
      expect(takenMs + LEASE_EVERY_MS).toBeLessThan(endsMs);
      expect(takenMs + LEASE_EVERY_MS).toBeLessThan(5_000);
    },
  );

  it('of a node that is drained goes to the one that stands by, which does not give it back', async () => {
    const hash = new Hash();
    const [a, b] = [hash.lease('a'), hash.lease('b')];
    await a.renew();
    await b.renew();
    a.drain();
    expect(await a.renew()).toBe('standby');
    expect(hash.holder, 'no call falls between the two').toBe('b');
    expect([await b.renew(), await a.renew()]).toEqual(['held', 'standby']);
    // Nor is it given to it when the other goes.
    hash.marks.delete('pushwake/spare');
    await a.renew();
    await b.drop();
    expect(hash.holder).toBeUndefined();
  });

  it('of a node that is drained stays with it until another one is there, and comes back when that one dies', async () => {
    const hash = new Hash();
    const [a, b] = [hash.lease('a'), hash.lease('b')];
    a.drain();
    expect([await a.renew(), hash.holder]).toEqual(['held', 'a']);
    await b.renew();
    expect([await a.renew(), await b.renew(), hash.holder]).toEqual(['standby', 'held', 'b']);
    hash.nowSeconds += LEASE_SECONDS - 1;
    expect([await a.renew(), hash.holder]).toEqual(['held', 'a']);
  });

  it('of a node that hung and goes after the other took over is left to the other', async () => {
    const hash = new Hash();
    const [a, b] = [hash.lease('a'), hash.lease('b')];
    await a.renew();
    hash.nowSeconds += LEASE_SECONDS;
    await b.renew();
    await a.drop();
    expect(hash.holder).toBe('b');
  });

  it('of a node that stands still between question and answer is not written over the other’s', async () => {
    const hash = new Hash();
    const [a, b] = [hash.lease('a'), hash.lease('b')];
    await a.renew();
    hash.slow = true;
    const renewing = a.renew();
    hash.slow = false;
    hash.nowSeconds += 5;
    expect(await b.renew()).toBe('held');
    hash.answer();
    expect(await renewing).toBe('standby');
    expect(hash.holder).toBe('b');
  });

  it('dropped in the middle of a renewal stays dropped', async () => {
    const hash = new Hash();
    const lease = hash.lease('a');
    await lease.renew();
    hash.slow = true;
    const renewing = lease.renew();
    const dropping = lease.drop();
    hash.answer();
    await dropping;
    hash.answer();
    expect(await renewing).toBe('standby');
    expect(hash.holder).toBeUndefined();
  });

  it('dropped while it is written for the first time is taken back', async () => {
    const hash = new Hash();
    const lease = hash.lease('a');
    hash.slow = true;
    const renewing = lease.renew();
    hash.answer();
    // The answers were heard, the lease is on its way; nothing of it has been confirmed.
    await new Promise((turn) => setImmediate(turn));
    expect(hash.holder).toBe('a');
    const dropping = lease.drop();
    hash.answer();
    await Promise.all([renewing, dropping]);
    expect(hash.holder).toBeUndefined();
  });

  it('is lost when mod_hash has forgotten it, and with it every mark', async () => {
    const hash = new Hash();
    const lease = hash.lease('a');
    await lease.renew();
    hash.marks.clear();
    expect(await lease.renew()).toBe('lost');
  });
});

describe('mode: observe', () => {
  it('says that it watches, never that a call may wait for it, and leaves the lease of others alone', async () => {
    const hash = new Hash();
    const observing = new Observing(hash.api);
    const watches = () => Number(hash.marks.get('pushwake/observe') ?? 0) > hash.nowSeconds;
    expect(await observing.renew()).toBe('held');
    expect([watches(), hash.holder]).toEqual([true, undefined]);
    await hash.lease('b').renew();
    await observing.renew();
    await observing.drop();
    expect([watches(), hash.holder]).toEqual([false, 'b']);
  });

  it('dropped in the middle of a renewal it watches no more', async () => {
    const hash = new Hash();
    const observing = new Observing(hash.api);
    hash.slow = true;
    const renewing = observing.renew();
    const dropping = observing.drop();
    hash.answer();
    await Promise.all([renewing, dropping]);
    expect([...hash.marks]).toEqual([]);
  });
});
