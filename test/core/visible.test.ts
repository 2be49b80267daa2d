import { describe, expect, it } from 'vitest';
import { visible, visibleJson } from '../../plugin/core/visible.ts';

describe('what is unseen is shown by its number', () => {
  it.each([
    ['an ordinary text, other scripts, emoji', 'Zoë “Łódź” 日本 👍', 'Zoë “Łódź” 日本 👍'],
    ['clears the screen', '\u001b[2J', '\\u001b[2J'],
    ['a line of its own', 'a\r\n9999@example.com all well', 'a\\u000d\\u000a9999@example.com all well'],
    ['the eight-bit form of an escape sequence', '\u009b2J', '\\u009b2J'],
    ['delete and null', '\u007f\u0000', '\\u007f\\u0000'],
    ['turns the direction', '\u202egnp.exe', '\\u202egnp.exe'],
    ['line separator, zero width', '\u2028\u200b\ufeff', '\\u2028\\u200b\\ufeff'],
    ['half a character', 'x\ud800', 'x\\ud800'],
    ['a tag character beyond U+FFFF', '\u{e0041}', '\\udb40\\udc41'],
  ])('%s', (_, text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it('in JSON the meaning stays and the line end stays', () => {
    const meant = { text: 'a\u001b\u007f\u009b\u2028\u202e\\\u{e0041}"\n' };
    const line = visibleJson(`${JSON.stringify(meant)}\n`);
    expect(line).toMatch(/^[\x20-\x7e]*\n$/);
    expect(JSON.parse(line)).toEqual(meant);
  });
});
