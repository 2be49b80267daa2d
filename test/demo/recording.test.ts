import { expect, it } from 'vitest';
import { svgOf } from './recording.ts';

const at = (...lines: readonly [number, string][]) =>
  svgOf(
    lines.map(([atMs, text]) => ({ atMs, text })),
    'a "title"',
  );

it('shows each line from its moment on, and everything at once to those who want no motion', () => {
  const svg = at([0, '# run'], [500, '  ✓ seen'], [60_500, 'the end']);
  expect([...svg.matchAll(/<text class="(\w+) l\d"/g)].map((m) => m[1])).toEqual(['typed', 'seen', 'title']);
  const starts = [...svg.matchAll(/\{0%,([\d.]+)%\{opacity:0\}/g)].map((m) => Number(m[1]));
  expect(starts).toEqual([...starts].sort((a, b) => a - b));
  // Half a second, then a pause of a minute that is cut to 0.9 s, then the end that stays for 12 s.
  expect(svg).toContain('linear infinite');
  expect(/ ([\d.]+)s linear/.exec(svg)?.[1]).toBe('13.4');
  expect(svg.split('@media (prefers-reduced-motion: no-preference)')[0]).not.toContain('opacity');
});

it('takes nothing of a line for markup', () => {
  const svg = at([0, '<script>alert("1") & more</script>\u001b[2J']);
  expect(svg).not.toContain('<script');
  expect(svg).toContain('&lt;script&gt;alert(&quot;1&quot;) &amp; more&lt;/script&gt;?[2J');
  expect(svg).toContain('aria-label="a &quot;title&quot;"');
});
