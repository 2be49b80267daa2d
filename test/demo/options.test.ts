/** The command line of the demo: what is refused, and what a sabotage plays. */
import { describe, expect, it } from 'vitest';
import { parseOptions } from './options.ts';
import { PARTS, STEPS, stepNames, stepsOf, TEXT_PARTS } from './steps.ts';

describe('the options of the demo', () => {
  it('plays everything by default', () => {
    expect(parseOptions([])).toEqual({ kind: 'run', options: { parts: PARTS, keep: false } });
    expect(parseOptions(['--pbx', 'asterisk', '--keep'])).toMatchObject({ kind: 'run', options: { keep: true } });
    expect(parseOptions(['--only=killed'])).toMatchObject({ kind: 'run', options: { parts: ['killed'] } });
  });

  it.each([
    [['--nonsense'], 'unknown option --nonsense'],
    [['extra'], 'unknown option extra'],
    [['--sabotage'], '--sabotage needs a value'],
    [['--sabotage', 'nothing'], 'there is no step "nothing"'],
    [['--sabotage', 'toString'], 'there is no step "toString"'],
    [['--only', 'lunch'], 'there is no part "lunch"'],
    [['--pbx', 'kamailio'], 'there is no demo for "kamailio"'],
  ])('%j is a mistake, told with the help', (args, message) => {
    const parsed = parseOptions(args);
    expect(parsed.kind).toBe('mistake');
    expect(parsed).toMatchObject({ text: expect.stringContaining(message) });
    expect(parsed).toMatchObject({ text: expect.stringContaining('npm run demo -- [options]') });
  });

  it('a sabotage plays the part of its step only', () => {
    expect(parseOptions(['--sabotage', 'rings'])).toMatchObject({ options: { parts: ['wake'], sabotage: 'rings' } });
    expect(parseOptions(['--sabotage', 'untouched'])).toMatchObject({ options: { parts: [] } });
  });

  it('--texts is a story of its own', () => {
    expect(parseOptions(['--texts'])).toEqual({ kind: 'run', options: { parts: TEXT_PARTS, keep: false } });
    expect(parseOptions(['--texts', '--only', 'text'])).toMatchObject({ options: { parts: ['text'] } });
    expect(parseOptions(['--sabotage', 'voicemail-heard'])).toMatchObject({ options: { parts: ['voicemail'] } });
    expect(parseOptions(['--texts', '--pbx', 'freeswitch']).kind).toBe('mistake');
    expect([...stepsOf('calls'), ...stepsOf('texts')].sort()).toEqual(expect.arrayContaining([...stepNames].sort()));
  });

  it('--phone is a story of its own, for a person with --keep', () => {
    expect(parseOptions(['--phone'])).toEqual({ kind: 'phone', keep: false });
    expect(parseOptions(['--keep', '--phone'])).toEqual({ kind: 'phone', keep: true });
    expect(parseOptions(['--phone', '--texts'])).toMatchObject({ kind: 'mistake' });
  });

  it('--nodes is a story of its own', () => {
    expect(parseOptions(['--nodes', '3'])).toEqual({ kind: 'nodes', count: 3 });
    expect(parseOptions(['--nodes=2', '--pbx', 'asterisk'])).toEqual({ kind: 'nodes', count: 2 });
    for (const wrong of [['--nodes'], ['--nodes', '1'], ['--nodes', '6'], ['--nodes', '2.5'], ['--nodes', 'three']])
      expect(parseOptions(wrong)).toMatchObject({
        text: expect.stringContaining('--nodes needs a number from 2 to 5'),
      });
    for (const more of [['--keep'], ['--week'], ['--texts'], ['--pbx', 'freeswitch'], ['--only', 'wake']])
      expect(parseOptions(['--nodes', '3', ...more]).kind).toBe('mistake');
  });

  it('lists how each step is broken', () => {
    const list = parseOptions(['--sabotage', 'list']);
    for (const name of stepNames) expect(list).toMatchObject({ text: expect.stringContaining(STEPS[name].sabotage) });
  });

  it('on FreeSWITCH there is the short story and the week, and nothing else', () => {
    expect(parseOptions(['--pbx', 'freeswitch'])).toEqual({ kind: 'freeswitch' });
    expect(parseOptions(['--week', '--pbx=freeswitch'])).toMatchObject({ kind: 'week', pbx: 'freeswitch' });
    expect(parseOptions(['--pbx', 'freeswitch', '--keep']).kind).toBe('mistake');
  });
});
