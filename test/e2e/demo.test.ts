/**
 * The demo as its users run it: once as it is, and once per step with that step broken on purpose (`npm run test:demo`; `npm test` takes every
 * fourth step). Each run brings up a real Asterisk of its own.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { STEPS, stepNames, stepsOf } from '../demo/steps.ts';

const ALL = process.env.PUSHWAKE_DEMO === 'all';
const BROKEN = ALL ? stepNames : stepsOf('calls').filter((_, i) => i % 4 === 3);
/** `npm test` plays the text alone: its mailbox is in `test/asterisk/messages.test.ts`, and a call is missed only ten seconds after its end. */
const TEXTS = ALL ? [] : ['--only', 'text'];
const DEMO = fileURLToPath(new URL('../demo/demo.ts', import.meta.url));

interface Run {
  readonly code: number | null;
  readonly output: string;
}

function runDemo(...args: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

describe('npm run demo', () => {
  it('observes every step, shows the trace, and exits 0', async () => {
    const { code, output } = await runDemo();
    expect(code, output).toBe(0);
    expect(output.match(/^ {2}✓ /gm)?.length, output).toBe(stepsOf('calls').length + 1);
    expect(output).toContain(`All ${stepsOf('calls').length} steps observed`);
    expect(output).toMatch(/Asterisk \d+\.\d+/);
    expect(output).toMatch(/^ +\d+\.\d {2}push accepted$/m);
  });

  it('--texts: observes every step of what is missed beside calls', async () => {
    const { code, output } = await runDemo('--texts', ...TEXTS);
    expect(code, output).toBe(0);
    const steps = stepsOf('texts').filter((name) => ALL || !['voicemail', 'missed'].includes(STEPS[name].part));
    expect(output).toContain(`All ${steps.length} steps observed`);
    expect(output).toMatch(/one notice: "New message/);
  });

  if (ALL) {
    it('--nodes 3: one is drained while a call waits on it, and status shows it', async () => {
      const { code, output } = await runDemo('--nodes', '3');
      expect(code, output).toBe(0);
      expect(output).toMatch(/^ +node-b \(this one\) +alive, .*takes the calls of office$/m);
      expect(output).toMatch(/^ +node-a +drained, /m);
      expect(output).toContain('All 19 steps observed');
    });
  }

  it.each(BROKEN)('--sabotage %s fails at that step and exits 1', async (name) => {
    const { code, output } = await runDemo('--sabotage', name);
    expect(code, output).toBe(1);
    expect(output, output).toContain(STEPS[name].sabotage);
    expect(output.trimEnd().split('\n').at(-1), output).toMatch(
      new RegExp(`^FAILED at step "${name}"; \\d+ steps before it`),
    );
    // Nothing was counted that came after it.
    expect(output, output).toMatch(new RegExp(`✗ step "${name}": .*(expected|seen)`));
  });
});
