import { describe, expect, test } from 'vitest';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { instant } from '../../plugin/core/time.ts';
import { simulate, stamp } from '../../plugin/simulate/simulate.ts';
import { parseStory, StoryError } from '../../plugin/simulate/story.ts';

const MONDAY = instant(Date.UTC(2026, 2, 2));

function play(text: string): string[] {
  const story = parseStory(text, MONDAY);
  return simulate(story, () => DEFAULT_POLICY).map((e) => `${stamp(e.at, story.registeredAt)} ${e.who}: ${e.what}`);
}
const pushes = (lines: readonly string[]) => lines.filter((l) => /push|notice/.test(l.replace(/pushwake:/, '')));

describe('simulate: what comes beside calls', () => {
  const told = (text: string, policy: Partial<Policy> = { missedCalls: true, voicemail: 'all' }) => {
    const story = parseStory(text, MONDAY);
    return simulate(story, () => ({ ...DEFAULT_POLICY, ...policy }))
      .filter((e) => /text|voice|missed|own|message/.test(e.what))
      .map((e) => `${stamp(e.at, story.registeredAt).slice(12)} ${e.who}: ${e.what}${e.why ? ` (${e.why})` : ''}`);
  };

  test('each is pushed, and a phone that is on fetches its texts', () => {
    expect(
      told(
        'registered Monday 9:00, text Tuesday 9:00, text Tuesday 10:00, voice message Tuesday 11:00, voice messages heard Tuesday 12:00, missed call Tuesday 13:00, missed call Tuesday 13:30, custom push Tuesday 14:00, for 3d',
      ),
    ).toEqual([
      '09:00 PBX: text',
      '09:00 pushwake: notice to the user: new messages: 1',
      '09:00 phone: woken by the push of a text: REGISTER',
      '09:00 pushwake: texts delivered: 1',
      '10:00 PBX: text',
      '10:00 pushwake: notice to the user: new messages: 1',
      '10:00 phone: woken by the push of a text: REGISTER (a new connection: the contact before it stays behind)',
      '10:00 pushwake: texts delivered: 1',
      '11:00 PBX: voice message',
      '11:00 pushwake: notice to the user: new voice messages: 1',
      '12:00 PBX: voice messages heard',
      '12:00 pushwake: silent push: voice messages left: 0',
      '13:00 PBX: missed call',
      '13:00 pushwake: notice to the user: missed calls: 1',
      '13:30 PBX: missed call',
      '13:30 pushwake: notice to the user: missed calls: 2',
      '14:00 pushwake: push of the site’s own',
    ]);
  });

  test('a phone that is off gets its texts when it is back; what the policy does not want is not sent, and says so', () => {
    const lines = told(
      'registered Monday 9:00, phone off from Tuesday to Wednesday 8:00, text Tuesday 9:00, text Tuesday 10:00, missed call Tuesday 11:00, opens the app Wednesday 9:00, for 3d',
      {},
    );
    expect(lines).toContain(
      '11:00 pushwake: missed call: nothing is sent (the policy wants no word of it, or nothing has changed)',
    );
    expect(lines.at(-1)).toBe('09:00 pushwake: texts delivered: 2');
    expect(told('registered Monday 9:00, VoIP only, text Tuesday 9:00, for 3d')).toContain(
      '09:00 pushwake: text: nothing is sent (the app gave only a token for calls)',
    );
  });
});

describe('simulate', () => {
  test('a phone that is off from Tuesday: refreshed in vain, warned twice, expired, gone', () => {
    const lines = play('registered Monday 9:00, iOS, phone off from Tuesday');
    expect(lines[0]).toBe('day  0  Mon 09:00 phone: REGISTER');
    expect(lines.filter((l) => l.includes('notice'))).toEqual([
      'day  6  Sun 21:00 pushwake: notice to the user: expires soon',
      'day  7  Mon 08:00 pushwake: notice to the user: expires soon',
      'day  7  Mon 09:00 pushwake: notice to the user: expired',
    ]);
    expect(lines.at(-1)).toBe('day  7  Mon 09:00 pushwake: binding gone');
  });

  test('a phone that refreshes quietly from Monday to Saturday and closes its connection: nothing is sent on Sunday', () => {
    expect(pushes(play('registered Monday 9:00, refreshes every 50min until Saturday 12:00, for 7d'))).toEqual([]);
  });

  test('the same with pushwake down for a day in between', () => {
    const story =
      'registered Monday 9:00, refreshes every 50min until Saturday 12:00, pushwake down from Wednesday to Thursday, for 7d';
    expect(pushes(play(story))).toEqual([]);
  });

  test('a phone that wakes by the first silent push is never warned', () => {
    const lines = play('registered Monday 9:00, Android, for 16d');
    expect(lines.filter((l) => l.includes('notice'))).toEqual([]);
    expect(lines.filter((l) => l.includes('silent push: please')).length).toBe(2);
  });

  test('pushwake down over the end: the user is warned first, the end moves out', () => {
    const lines = play('registered Monday 9:00, phone off from Tuesday, pushwake down from Sunday to next Wednesday');
    expect(lines.filter((l) => l.includes('notice') || l.includes('gone'))).toEqual([
      'day  9  Wed 00:00 pushwake: notice to the user: expires soon',
      'day  9  Wed 11:00 pushwake: notice to the user: expires soon',
      'day  9  Wed 12:00 pushwake: notice to the user: expired',
      'day  9  Wed 12:00 pushwake: binding gone',
    ]);
  });

  test('the PBX cannot be asked: put off, nothing ends', () => {
    const lines = play('registered Monday 9:00, phone off from Tuesday, PBX down from Saturday, for 9d');
    expect(pushes(lines)).toEqual([]);
    expect(lines.some((l) => l.includes('put off'))).toBe(true);
  });

  test('a VoIP token only: nothing can be sent, it lives for 30 days', () => {
    const lines = play('registered Monday 9:00, VoIP only, phone off from Tuesday, for 40d');
    expect(pushes(lines)).toEqual([]);
    expect(lines.at(-1)).toBe('day 30  Wed 09:00 pushwake: binding gone');
  });

  test.each([
    ['bla', /must say when the phone registered/],
    ['registered Monday, bla', /"bla" is not understood/],
    ['registered Someday', /"Someday" is no time/],
    ['registered Monday, expires soon', /"soon" is no duration/],
  ])('%s: a clear error', (text, message) => {
    expect(() => parseStory(text, MONDAY)).toThrow(StoryError);
    expect(() => parseStory(text, MONDAY)).toThrow(message);
  });
});
