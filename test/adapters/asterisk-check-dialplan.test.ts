import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkDialplan } from '../../adapters/pbx/asterisk/check-dialplan.ts';
import { DIALPLAN_VERSION } from '../../adapters/pbx/asterisk/dialplan-version.ts';
import { optionsSchema } from '../../adapters/pbx/asterisk/options.ts';
import { Cause, NO_ANSWER_CAME } from '../../plugin/core/wake.ts';

const ASTERISK = fileURLToPath(new URL('../../config/asterisk', import.meta.url));
const FILE = readFileSync(join(ASTERISK, 'pushwake-extensions.conf'), 'utf8');
const OPTIONS = optionsSchema.parse({ url: 'http://127.0.0.1:8088', password: 'secret-of-ari', realm: 'example.com' });

/** What the file says, without comments; the lines of a second node (`;2;`) are no comments. */
const said = FILE.split('\n')
  .filter((line) => line !== '' && !/^\s*;(?!2;)/.test(line))
  .join('\n');

describe('the version of pushwake-extensions.conf', () => {
  it('comes back from a Dial for the causes that the core takes for an INVITE which reached no phone, and for one that was taken back', () => {
    const line = FILE.split('\n').find((l) => l.includes('pushwake-device,${EXTEN},anew')) ?? '';
    const causes = [...line.matchAll(/"\$\{HANGUPCAUSE\}" = "(\d+)"/g)].map(([, cause]) => Number(cause));
    expect(new Set(causes)).toEqual(new Set([...NO_ANSWER_CAME, Cause.answeredElsewhere]));
  });

  it('dials the phone that a leg waits for as it dials any other', () => {
    const dials = FILE.split('\n').filter((line) => line.includes('U(pushwake-answered'));
    expect(dials).toHaveLength(2);
    const said = dials.map((line) => line.slice(line.indexOf('Dial(')).replaceAll('PUSHWAKE_CONTACT', 'PUSHWAKE_LEGS'));
    expect(said[1]).toBe(said[0]);
  });

  it('asks no channel what it executes: Asterisk crashes when that ends meanwhile (ADR 0148)', () => {
    const shipped = readdirSync(ASTERISK).filter((name) => name.endsWith('.conf'));
    expect(shipped).toContain('pushwake-extensions.conf');
    for (const name of shipped) expect(readFileSync(join(ASTERISK, name), 'utf8')).not.toMatch(/\(app(?:name|data)\)/i);
  });

  it('is the one that check looks for', () => expect(FILE).toMatch(`exten => v${DIALPLAN_VERSION},1,`));

  it('is told to pushwake by each call', () => {
    const asks = said.split('\n').filter((line) => /Stasis\([^,]*,(?:compose|visit),/.test(line));
    expect(asks).toHaveLength(4);
    for (const line of asks) expect(line).toMatch(new RegExp(`,${DIALPLAN_VERSION}\\)$`));
  });

  it('is raised with every change of the file', () => {
    const digest = createHash('sha256').update(said).digest('hex').slice(0, 16);
    expect(
      { version: DIALPLAN_VERSION, digest },
      'The file has changed: raise its version (`exten => v…` and DIALPLAN_VERSION), then write the new digest here.',
    ).toEqual({ version: 9, digest: 'f11f267ec8a17c31' });
  });
});

/** A dialplan that has these contexts, and its version. */
const dialplan = (has: (context: string) => boolean, version: string, broadcasts = true) => ({
  async read(expression: string): Promise<string | undefined> {
    const asked = /^DIALPLAN_EXISTS\(([\w-]+),(\w+),1\)$/.exec(expression);
    if (asked?.[1] === 'pushwake-version') return asked[2] === version ? '1' : '0';
    if (asked?.[1]) return has(asked[1]) ? '1' : '0';
    if (expression === 'IFMODULE(app_stasis_broadcast.so)') return broadcasts ? '1' : '';
    // Before version 7 the wake leg's own context set it.
    const sets = version === `v${DIALPLAN_VERSION}` ? 'pushwake' : 'pushwake-wake';
    if (expression === `AST_CONFIG(extensions.conf,${sets},exten,0)`) return 's,1,Set(_PUSHWAKE_APP=pushwake)';
    return expression === 'AST_CONFIG(extensions.conf,pushwake-version,exten)' && version !== ''
      ? `${version},1,Hangup(3)`
      : undefined;
  },
});

describe('check of the dialplan', () => {
  const all = () => true;
  const old = (context: string) => /^pushwake(-(device|stored|ring|late|header|fallback))?$/.test(context);
  it.each([
    [
      'as it came',
      all,
      `v${DIALPLAN_VERSION}`,
      'ok',
      /^all \d+ contexts are loaded, version v\d+; of several nodes it asks all at once$/,
    ],
    [
      'an older version that can crash Asterisk',
      all,
      'v7',
      'fail',
      /is v7, with which Asterisk can crash, and this pushwake came with v\d+$/,
    ],
    ['a newer version', all, 'v99', 'warn', /is v99, and this pushwake came with v\d+$/],
    ['that of 0.1.0', old, '', 'warn', /is an old copy/],
    [
      'a part of that of 0.1.0',
      (c: string) => old(c) && c !== 'pushwake-ring',
      '',
      'fail',
      /^context pushwake-ring is/,
    ],
    ['a part of it', (c: string) => c !== 'pushwake-go', `v${DIALPLAN_VERSION}`, 'fail', /^context pushwake-go is/],
    ['none', () => false, '', 'fail', /^context pushwake, pushwake-device, /],
  ] as const)('%s', async (_what, has, version, level, found) => {
    expect(await checkDialplan(dialplan(has, version), OPTIONS)).toEqual([
      {
        level,
        what: 'dialplan',
        found: expect.stringMatching(found),
        ...(level === 'ok' ? {} : { remedy: expect.any(String) }),
      },
    ]);
  });
});

describe('check of a node with a name of its own', () => {
  const of = (app: string, version: string, broadcasts: boolean) =>
    checkDialplan(
      dialplan(() => true, version, broadcasts),
      { ...OPTIONS, app },
    );
  const v = `v${DIALPLAN_VERSION}`;
  it.each([
    ['this Asterisk asks all of them', 'pushwake-c', v, true, 'ok', /it asks all at once$/],
    [
      'it cannot, and the dialplan asks another one',
      'pushwake-c',
      v,
      false,
      'fail',
      /this Asterisk cannot ask all nodes/,
    ],
    ['it cannot, and need not', 'pushwake', v, false, 'ok', /it can ask two/],
    [
      'a name that the dialplan does not ask',
      'callcentre',
      v,
      true,
      'fail',
      /^it asks the Stasis application pushwake, /,
    ],
    ['an older dialplan', 'pushwake-c', 'v4', true, 'fail', /is v4/],
  ] as const)('%s', async (_what, app, version, broadcasts, level, found) => {
    expect(await of(app, version, broadcasts)).toEqual([
      expect.objectContaining({ level, found: expect.stringMatching(found) }),
    ]);
  });
});
