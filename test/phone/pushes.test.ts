/** What a push means to the phone in the browser, without a browser: the payloads are those of docs/payloads. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { callerOf, decide, type Push, readPush } from '../../plugin/phone/pushes.ts';
import { wordsFor } from '../../plugin/phone/words.ts';

const words = wordsFor(['en']);
const NEW = { over: false, shown: false };
const folder = new URL('../../docs/payloads/', import.meta.url);
const payload = (name: string): Push => {
  const { payload: sent } = JSON.parse(readFileSync(new URL(`webpush-${name}.json`, folder), 'utf8'));
  return readPush(JSON.stringify(sent)) as Push;
};
const call = payload('call');
const early = call.expiresAt - 1;

describe('a push', () => {
  it.each(readdirSync(folder).filter((f) => f.startsWith('webpush-')))('%s is read, and shows something', (file) => {
    const push = payload(file.replace(/^webpush-|\.json$/g, ''));
    const { show } = decide(push, early, NEW, words);
    expect(show?.title.length).toBeGreaterThan(0);
    expect(show?.body.length).toBeGreaterThan(0);
  });

  it.each(['', '{', 'null', '[]', '{"pushwake":1}', '{"pushwake":{"type":"call"}}', undefined])(
    'none of ours is none: %s',
    (text) => {
      expect(readPush(text)).toBeUndefined();
    },
  );
});

describe('a call', () => {
  it('rings until somebody answers or declines, and names the caller where the push does', () => {
    const shown = decide({ ...call, caller: { name: 'Ann', number: '2000' } }, early, NEW, words).show;
    expect(shown).toMatchObject({ tag: call.callId, rings: true, silent: false, body: 'Ann', title: 'Incoming call' });
    expect(decide(call, early, NEW, words).show?.body).toBe(call.aor);
  });

  it('that is pushed again rings on without another sound', () => {
    expect(decide(call, early, { over: false, shown: true }, words).show).toMatchObject({ rings: true, silent: true });
  });

  it.each([
    ['its time is over', call.expiresAt, false],
    ['it is known to be over', early, true],
  ])('does not ring when %s: it was missed', (_, now, over) => {
    const { show, past, close } = decide(call, now, { over, shown: false }, words);
    expect(show).toMatchObject({ tag: 'missed', silent: true });
    expect(show?.rings).toBeUndefined();
    expect(past).toMatchObject({ id: call.callId, how: 'missed' });
    expect(close).toEqual([call.callId]);
  });
});

describe('a closing word', () => {
  it.each([
    ['elsewhere', 'elsewhere', 'quiet'],
    ['declined', 'elsewhere', 'quiet'],
    ['cancelled', 'missed', 'missed'],
    ['gave-up', 'missed', 'missed'],
  ] as const)('%s: takes the call away and is in the list as %s', (ended, how, tag) => {
    const { show, past, close } = decide({ ...payload('cancel'), ended }, early, NEW, words);
    expect(close).toEqual([call.callId]);
    expect(past?.how).toBe(how);
    expect(show).toMatchObject({ tag, silent: true });
  });
});

describe('what renews', () => {
  it('a refresh registers and says so quietly', () => {
    expect(decide(payload('refresh'), early, NEW, words)).toMatchObject({ register: true, show: { silent: true } });
  });

  it('a notice shows its words, and a tap opens the page, which registers', () => {
    const notice = payload('notice');
    expect(decide(notice, early, NEW, words).show).toMatchObject({ tag: 'notice', body: notice.body, opens: '' });
  });
});

it('no new voice messages: the notification goes', () => {
  expect(decide({ ...payload('voicemail'), count: 0 }, early, NEW, words).close).toEqual(['voicemail']);
});

it('a caller has a name, a number, or nothing', () => {
  expect(callerOf({ caller: { number: '7' } })).toBe('7');
  expect(callerOf({})).toBeUndefined();
});

describe('the language', () => {
  it.each([
    [['de-CH', 'en'], 'de'],
    [['xx', 'de'], 'de'],
    [['xx'], 'en'],
    [[], 'en'],
  ])('%j', (languages, lang) => {
    expect(wordsFor(languages).lang).toBe(lang);
  });
});

it('our own code of it is at most 700 lines, without comments and the texts', () => {
  const sources = new URL('../../plugin/phone/', import.meta.url);
  const lines = readdirSync(sources)
    .filter((f) => f.endsWith('.ts') && f !== 'languages.ts')
    .flatMap((f) => readFileSync(new URL(f, sources), 'utf8').split('\n'))
    .filter((line) => !/^\s*($|\/\/|\/\*|\*)/.test(line));
  expect(lines.length).toBeLessThanOrEqual(700);
});
