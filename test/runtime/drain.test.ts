/** A node that is drained goes when its own calls are over, and not before. */
import { describe, expect, it } from 'vitest';
import { MINUTE, SECOND } from '../../plugin/core/time.ts';
import type { PbxLink } from '../../plugin/ports/pbx-link.ts';
import { Drain } from '../../plugin/runtime/drain.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

function scene(options: { dueWork?: Promise<void> } = {}) {
  const clock = new FakeClock();
  const log = new RecordedLog();
  const site = { waiting: 0, sentAway: 0, announced: 0, isDrained: false };
  const links = [{ drain: async () => void site.sentAway++ }, {}] as unknown as PbxLink[];
  const drain = new Drain({
    clock,
    log,
    links: () => links,
    waiting: () => site.waiting,
    finishDueWork: () => options.dueWork ?? Promise.resolve(),
    announce: () => void site.announced++,
  });
  void drain.drained.then(() => {
    site.isDrained = true;
  });
  const pass = async (ms: number) => {
    for (let gone = 0; gone < ms; gone += 100) {
      await clock.advance(100);
      await settle();
    }
  };
  return { clock, log, site, drain, pass };
}

describe('a node that is drained', () => {
  it('sends new calls away and goes once no call waits; one on its way to it is not lost', async () => {
    const { drain, site, pass } = scene();
    site.waiting = 2;
    void drain.begin();
    await pass(10 * SECOND);
    expect(site).toEqual({ waiting: 2, sentAway: 1, announced: 1, isDrained: false });
    expect(drain.isOn).toBe(true);
    site.waiting = 0;
    await pass(SECOND);
    // Sent to us before the dialplan knew.
    site.waiting = 1;
    await pass(5 * SECOND);
    expect(site.isDrained).toBe(false);
    site.waiting = 0;
    await pass(3 * SECOND);
    expect(site.isDrained).toBe(true);
  });

  it('waits for the due work that it has claimed', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { drain, site, pass } = scene({ dueWork: promise });
    void drain.begin();
    await pass(10 * SECOND);
    expect(site.isDrained).toBe(false);
    resolve();
    await pass(SECOND);
    expect(site.isDrained).toBe(true);
  });

  it('goes after three minutes whatever waits, and logs it', async () => {
    const { drain, site, pass, log } = scene({ dueWork: new Promise(() => undefined) });
    site.waiting = 1;
    void drain.begin();
    await pass(3 * MINUTE - SECOND);
    expect(site.isDrained).toBe(false);
    await pass(2 * SECOND);
    expect(site.isDrained).toBe(true);
    expect(log.at('warn')).toHaveLength(1);
  });

  it('asked twice, it is drained once; stopped meanwhile, it leaves no timer', async () => {
    const { clock, drain, site, pass } = scene();
    site.waiting = 1;
    void drain.begin();
    void drain.begin();
    await pass(SECOND);
    expect(site.sentAway).toBe(1);
    drain.stop();
    expect(clock.pending()).toBe(0);
  });
});
