/** Without HEP: a waiting account's contacts are looked at closely. And a log-out is heard before the removal it causes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Removal, Removals } from '../../adapters/pbx/asterisk/removals.ts';
import { ContactWatch, LOOK_EVERY_MS } from '../../adapters/pbx/asterisk/watch.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { type Instant, plus, SECOND } from '../../plugin/core/time.ts';
import { type HeldContact, LinkError } from '../../plugin/ports/pbx-link.ts';
import { AOR, contactUri } from '../support/builders.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

afterEach(() => {
  expect(clock.pending(), 'timers left').toBe(0);
});

describe('the watch', () => {
  let held: HeldContact[];
  let seen: string[];
  let proved: Instant[];
  let reads: number;
  let down: boolean;
  let watch: ContactWatch;
  const contact = (port: number, inMs: number): HeldContact => ({
    pbx: 'office',
    aor: AOR,
    uri: contactUri({ port }),
    expiresAt: plus(clock.now(), inMs),
  });

  beforeEach(() => {
    held = [];
    seen = [];
    proved = [];
    reads = 0;
    down = false;
    watch = new ContactWatch(clock, {
      read: async () => {
        reads++;
        if (down) throw new LinkError('down');
        return held;
      },
      seen: (c, since) => {
        seen.push(c.uri);
        proved.push(since);
      },
    });
  });

  afterEach(() => watch.stop());

  it('takes stock first: what is merely still stored is no REGISTER', async () => {
    held = [contact(1, 60 * SECOND)];
    watch.add(AOR);
    await clock.advance(5 * LOOK_EVERY_MS);
    expect(seen).toEqual([]);
    expect(reads).toBe(6);
  });

  it('sees a refresh by its moved expiry, and a contact that was not there, once each', async () => {
    held = [contact(1, 60 * SECOND)];
    watch.add(AOR);
    await settle();
    held = [contact(1, 61 * SECOND), contact(2, 60 * SECOND)];
    await clock.advance(3 * LOOK_EVERY_MS);
    expect(seen).toEqual([contactUri({ port: 1 }), contactUri({ port: 2 })]);
  });

  it('sees a contact that went and came back', async () => {
    held = [contact(1, 60 * SECOND)];
    watch.add(AOR);
    await settle();
    held = [];
    await clock.advance(LOOK_EVERY_MS);
    held = [contact(1, 60 * SECOND)];
    await clock.advance(LOOK_EVERY_MS);
    expect(seen).toHaveLength(1);
  });

  it('goes on through a link that is down, and knows what it saw before', async () => {
    held = [contact(1, 60 * SECOND)];
    watch.add(AOR);
    await settle();
    down = true;
    await clock.advance(3 * LOOK_EVERY_MS);
    held = [contact(1, 90 * SECOND)];
    down = false;
    await clock.advance(LOOK_EVERY_MS);
    expect(seen).toHaveLength(1);
  });

  it('proves no later a time than the look before: what registered before the next call came is not for that call', async () => {
    held = [contact(1, 60 * SECOND)];
    watch.add(AOR);
    await settle();
    await clock.advance(LOOK_EVERY_MS);
    const lookedAt = clock.now();
    await clock.advance(LOOK_EVERY_MS / 2);
    held = [contact(1, 90 * SECOND)];
    const secondCallAt = clock.now();
    watch.add(AOR);
    await settle();
    expect(proved).toEqual([lookedAt]);
    // Stock was taken for the second call: what moves from here on is proved to be later.
    held = [contact(1, 120 * SECOND)];
    await clock.advance(LOOK_EVERY_MS);
    expect(proved).toEqual([lookedAt, secondCallAt]);
  });

  it('ends with the last call of the account, not before', async () => {
    watch.add(AOR);
    watch.add(AOR);
    watch.remove(AOR);
    await clock.advance(LOOK_EVERY_MS);
    const before = reads;
    expect(before).toBeGreaterThan(1);
    watch.remove(AOR);
    watch.remove(AOR);
    await clock.advance(10 * LOOK_EVERY_MS);
    expect(reads).toBe(before);
  });
});

describe('removals, with HEP', () => {
  const uri = contactUri();
  let told: Removal[];
  let removals: Removals;

  beforeEach(() => {
    told = [];
    removals = new Removals(clock, (removal) => told.push(removal));
  });

  it('are held back for a quarter of a second, then told as they were', async () => {
    const at = clock.now();
    removals.hold({ aor: AOR, uri, at });
    expect(removals.of(AOR)).toEqual([uri]);
    expect(removals.of('1002@example.com' as Aor)).toEqual([]);
    await clock.advance(249);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual([{ aor: AOR, uri, at }]);
    expect(removals.of(AOR)).toEqual([]);
  });

  it('of a contact that is back at once are not told', async () => {
    removals.hold({ aor: AOR, uri, at: clock.now() });
    removals.forget(AOR, uri);
    await clock.advance(SECOND);
    expect(told).toEqual([]);
  });

  it('are dropped at the end', async () => {
    removals.hold({ aor: AOR, uri, at: clock.now() });
    removals.stop();
    await clock.advance(SECOND);
    expect(told).toEqual([]);
  });
});
