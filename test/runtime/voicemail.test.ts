/** New voice messages: who is sent word of them, what, how often, and what happens when they were heard elsewhere. */
import { describe, expect, it } from 'vitest';
import type { AorRecord } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import type { PbxEvent } from '../../plugin/ports/pbx-link.ts';
import type { RuntimeSettings } from '../../plugin/runtime/runtime.ts';
import { BINDING, bindingEndingIn, MONDAY, recordOf } from '../support/builders.ts';
import { ACCOUNT, TextSite } from '../support/text-site.ts';

const site = async (policy: Partial<Policy> = { voicemail: 'all' }, settings: Partial<RuntimeSettings> = {}) => {
  const s = await new TextSite({ policy, settings }).start();
  await s.asleep();
  return s;
};
type Changed = Extract<PbxEvent, { type: 'voicemailChanged' }>;
const mailbox = async (s: TextSite, newMessages: number, more: Partial<Changed> = {}) => {
  s.pbx.emit({
    type: 'voicemailChanged',
    pbx: 'office',
    aor: ACCOUNT,
    newMessages,
    urgent: 0,
    why: 'changed',
    ...more,
  });
  await s.idle();
};
const pushes = (s: TextSite) =>
  s.service.requests.map((r) =>
    r.purpose === 'voicemail' ? `${r.body === undefined ? 'silent' : 'seen'} ${r.count}` : r.purpose,
  );

describe('a new voice message', () => {
  it('is one notice with the number, and a refresh before it; a later one replaces it', async () => {
    const s = await site();
    await mailbox(s, 1);
    await mailbox(s, 2);
    expect(pushes(s)).toEqual(['refresh', 'seen 1', 'refresh', 'seen 2']);
    const [one, two] = s.service.requests.filter((r) => r.purpose === 'voicemail');
    expect([one?.collapseId, one?.target.token.reveal()[0]]).toEqual([two?.collapseId, 'b']);
    await mailbox(s, 2);
    await s.clock.advance(HOUR);
    await s.idle();
    expect(pushes(s), 'the same number is no news').toHaveLength(4);
  });

  it('heard elsewhere: a silent push takes notice and badge away', async () => {
    const s = await site();
    await mailbox(s, 2);
    await mailbox(s, 1);
    await mailbox(s, 0);
    expect(pushes(s)).toEqual(['refresh', 'seen 2', 'silent 1', 'silent 0']);
    await mailbox(s, 1);
    expect(pushes(s).slice(4)).toEqual(['refresh', 'seen 1']);
  });

  it.each([
    ['all', { voicemail: 'all' }, ['refresh', 'seen 3']],
    ['urgent', { voicemail: 'urgent' }, ['refresh', 'seen 1']],
    ['none', { voicemail: 'none' }, []],
    ['the default', {}, []],
  ] as const)('policy %s', async (_, policy, expected) => {
    const s = await site(policy);
    await mailbox(s, 3, { urgent: 1 });
    expect(pushes(s)).toEqual(expected);
  });

  it('is none when somebody only asked what the mailbox holds', async () => {
    const s = await site();
    await mailbox(s, 4, { why: 'asked' });
    expect(pushes(s)).toEqual([]);
    await mailbox(s, 5, { why: 'asked' });
    expect(pushes(s), 'but more than it held before is one').toEqual(['refresh', 'seen 5']);
  });

  it('says who left it only with calls.showCaller, and never in the record', async () => {
    const caller = { name: 'Zoë', number: '+42077001234' };
    const off = await site();
    await mailbox(off, 1, { caller });
    const on = await site({ voicemail: 'all' }, { showCaller: true });
    await mailbox(on, 1, { caller });
    expect(JSON.stringify(off.service.requests)).not.toMatch(/Zoë|77001234/);
    expect(on.service.requests.at(-1)).toMatchObject({ purpose: 'voicemail', caller });
    expect(JSON.stringify(await on.store.get(ACCOUNT)) + on.log.text()).not.toMatch(/Zoë|77001234/);
  });

  it('goes out again after a crash, an hour after the service did not take it, and never after a day', () => {
    const policyFor = () => ({ ...DEFAULT_POLICY, voicemail: 'all' as const });
    const step = (record: AorRecord, ms: number, event: LifecycleEvent) => {
      const t = transition(record, event, plus(MONDAY, ms), policyFor);
      return { record: t.record, words: t.effects.flatMap((e) => (e.type === 'sendVoicemail' ? [e.count] : [])) };
    };
    const tick: LifecycleEvent = { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' };
    const settled = (isOver: boolean): LifecycleEvent => ({ type: 'VoicemailSettled', bindingId: BINDING, isOver });
    const changed: LifecycleEvent = { type: 'VoicemailChanged', newMessages: 1, urgent: 0, why: 'changed' };
    const one = step(recordOf(bindingEndingIn(6 * DAY, MONDAY)), 0, changed);
    expect([one.words, one.record.dueAt]).toEqual([[1], plus(MONDAY, 2 * MINUTE)]);
    expect(step(one.record, 2 * MINUTE, tick).words).toEqual([1]);
    const later = step(one.record, 0, settled(false));
    expect(later.record.dueAt).toBe(plus(MONDAY, HOUR));
    expect(step(later.record, HOUR, tick).words).toEqual([1]);
    expect(step(step(one.record, 0, settled(true)).record, HOUR, tick).words).toEqual([]);
    expect(step(one.record, DAY + 1, tick).words).toEqual([]);
  });

  it('reported by a voicemail system of the site', async () => {
    const s = await site();
    await s.runtime.mailboxHolds(ACCOUNT, 1, 0);
    await s.idle();
    expect(pushes(s)).toEqual(['refresh', 'seen 1']);
  });

  it('in mode observe: nothing is sent', async () => {
    const s = await site({ voicemail: 'all' }, { mode: 'observe' });
    await mailbox(s, 1);
    expect(pushes(s)).toEqual([]);
  });
});
