/** `pushwake init` beside FreePBX, and `init --undo` everywhere: what was there before is there again, byte for byte. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inProcess } from './command.ts';

let folder: string;
let asterisk: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-init-'));
  asterisk = join(folder, 'asterisk');
  mkdirSync(asterisk);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const init = (...args: string[]) =>
  inProcess(
    'init',
    '-c',
    join(folder, 'pushwake', 'pushwake.yaml'),
    '--asterisk-dir',
    asterisk,
    '--store',
    join(folder, 'b.db'),
    ...args,
  );
const install = (...args: string[]) => init('--realm', 'example.com', '--install', ...args);
const write = (files: Readonly<Record<string, string>>, at = asterisk) => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(at, name)), { recursive: true });
    writeFileSync(join(at, name), text);
    chmodSync(join(at, name), 0o664);
  }
};
const read = (name: string) => readFileSync(join(asterisk, name), 'utf8');
/** Names, bytes and modes. */
const snapshot = (at = asterisk) =>
  Object.fromEntries(
    readdirSync(at, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path, `${(statSync(path).mode & 0o777).toString(8)} ${readFileSync(path, 'latin1')}`]),
  );

const FREEPBX = {
  'extensions.conf': '#include extensions_override_freepbx.conf\n#include extensions_additional.conf\n',
  'extensions_override_freepbx.conf': '',
  'extensions_custom.conf': '[from-internal-custom]\nexten => 8001,1,Answer()',
  'extensions_additional.conf': `[app-dnd]
exten => 1001,hint,Custom:none
[ext-local]
exten => 1001,1,Set(X=1)
exten => 1001,hint,PJSIP/1001&Custom:DND1001,CustomPresence:1001
exten => 1002,hint,Local/1002@pushwake/n&Custom:DND1002,CustomPresence:1002
exten => 1003,hint,PJSIP/1003&Stasis:pushwake-1003&Custom:DND1003,CustomPresence:1003
exten => 1004,hint,DAHDI/4&Custom:DND1004,CustomPresence:1004
exten => 1005,hint,PJSIP/91005&PJSIP/1005
exten => _*80X.,hint,\${DB(AMPUSER/\${EXTEN:3}/hint)}
`,
  'ari.conf': '[general]\n#include ari_general_additional.conf\n#include ari_additional_custom.conf\n',
};
const HINTS = [
  'exten => 1001,hint,PJSIP/1001&Stasis:pushwake-1001&Custom:DND1001,CustomPresence:1001',
  'exten => 1002,hint,PJSIP/1002&Stasis:pushwake-1002&Custom:DND1002,CustomPresence:1002',
  'exten => 1005,hint,PJSIP/91005&Stasis:pushwake-91005&PJSIP/1005',
];
const hintsWritten = () =>
  read('extensions_override_freepbx.conf')
    .split('\n')
    .filter((line) => line.startsWith('exten'));

describe('FreePBX', () => {
  it('hints of all extensions go into the file that FreePBX reads first, once', async () => {
    write(FREEPBX);
    const ran = await install('--pbx', 'freepbx', '--extensions', 'all');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(read('extensions_override_freepbx.conf')).toContain('\n[ext-local]\nexten => 1001,hint,');
    // 1003 has its "Hint Override", 1004 is none of PJSIP.
    expect(hintsWritten()).toEqual(HINTS);
    expect(read('extensions_additional.conf')).toBe(FREEPBX['extensions_additional.conf']);
    expect(ran.stdout).toContain('fwconsole reload');
    expect(ran.stdout).toContain('add no user `pushwake`');
    const before = snapshot();
    await init('--install');
    expect(snapshot(), 'a second run keeps them').toEqual(before);
  });

  it('only those that are named; the others are said', async () => {
    write(FREEPBX);
    const ran = await install('--extensions', '1002, 1004,1009');
    expect(hintsWritten()).toEqual([HINTS[1]]);
    expect(ran.stdout).toContain('extension 1009 gets no hint: FreePBX has written no hint of it');
    expect(ran.stdout).toContain('extension 1004 gets no hint: it is no PJSIP extension (DAHDI/4');
    await init('--install', '--extensions', '1001');
    expect(hintsWritten()).toEqual([HINTS[0]]);
  });

  it('what an administrator wrote in that file stays, before and behind', async () => {
    write({ ...FREEPBX, 'extensions_override_freepbx.conf': '[mine]\nexten => s,1,Return()' });
    await install('--extensions', '1001');
    writeFileSync(
      join(asterisk, 'extensions_override_freepbx.conf'),
      `${read('extensions_override_freepbx.conf')}[late]\n`,
    );
    await init('--install', '--extensions', 'all');
    expect(read('extensions_override_freepbx.conf')).toMatch(
      /^\[mine\]\nexten => s,1,Return\(\)\n\[late\]\n; pushwake/,
    );
    await init('--undo');
    expect(read('extensions_override_freepbx.conf')).toBe('[mine]\nexten => s,1,Return()\n[late]\n');
  });

  it.each([
    [['--pbx', 'freepbx'], { 'extensions.conf': '' }, 'which FreePBX writes'],
    [['--extensions', 'all'], { 'extensions.conf': '' }, '--extensions: only for FreePBX'],
    [['--extensions', '1001;x'], FREEPBX, '--extensions: expected all, or 1001,1002; found "1001;x"'],
    [['--pbx', 'freepbax'], FREEPBX, 'expected asterisk, freepbx or freeswitch'],
  ])('%j is refused, and nothing is written', async (args, files, said) => {
    write(files as Record<string, string>);
    const before = snapshot();
    const ran = await install(...args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(said);
    expect(snapshot()).toEqual(before);
  });
});

describe('init --undo', () => {
  const SMALL = {
    'ari.conf': '[general]\n;enabled = no\npretty = yes\n\n[old]\ntype = user\npassword = old-secret\n',
    'http.conf': '[general]\nenabled = no ; off\nbindport = 8089\n',
    'extensions.conf': '[internal]\nexten => 1001,1,Dial(PJSIP/1001)',
    'hep.conf': '[general]\nenabled = no\ncapture_address = 192.0.2.1:9061\ncapture_password = foo\n',
  };
  it.each<[string, Readonly<Record<string, string>>, readonly string[]]>([
    ['a FreePBX with hints', FREEPBX, ['--extensions', 'all']],
    ['a FreePBX whose files are all there', { ...FREEPBX, 'ari_additional_custom.conf': '', 'hep.conf': '' }, []],
    ['a small Asterisk', SMALL, []],
    ['an Asterisk with nothing but its dialplan', { 'extensions.conf': '[internal]\n' }, ['--no-hep']],
  ])('%s is as it was, byte for byte', async (_what, files, args) => {
    write(files);
    const before = snapshot();
    await install(...args);
    expect(snapshot(), 'control').not.toEqual(before);
    const dry = await init('--undo', '--dry-run');
    expect(dry.stdout).toContain('Nothing was written.');
    const ran = await init('--undo');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(snapshot()).toEqual(before);
    expect((await init('--undo')).stdout, 'a second time').toContain('Nothing of pushwake is in its files.');
    expect(snapshot()).toEqual(before);
  });

  it('after two runs it is as it was before the first', async () => {
    write(FREEPBX);
    const before = snapshot();
    await install('--extensions', '1001');
    await init('--install', '--extensions', 'all');
    await init('--undo');
    expect(snapshot()).toEqual(before);
  });

  it('a file that was changed since loses our lines only, and its copy stays', async () => {
    write(FREEPBX);
    await install('--extensions', 'all');
    writeFileSync(join(asterisk, 'extensions_custom.conf'), `[new]\n${read('extensions_custom.conf')}; mine\n`);
    const ran = await init('--undo');
    expect(read('extensions_custom.conf')).toBe('[new]\n[from-internal-custom]\nexten => 8001,1,Answer()\n; mine\n');
    expect(read('extensions_custom.conf.before-pushwake')).toBe(FREEPBX['extensions_custom.conf']);
    expect(ran.stdout).toContain('extensions_custom.conf: changed since, so only pushwake’s lines are removed');
    expect(ran.stdout).toContain('"Dial" of 1002 still names pushwake');
    expect(ran.stdout).toContain('"Hint Override" of 1003 still names pushwake');
  });

  it('a setting that was changed since is left as it is, and said', async () => {
    write(SMALL);
    await install();
    writeFileSync(join(asterisk, 'http.conf'), read('http.conf').replace('8089', '8090'));
    const ran = await init('--undo');
    expect(read('http.conf')).toContain('8090');
    expect(ran.stdout).toContain('http.conf: changed since, and left as it is');
  });

  it('a FreeSWITCH is as it was', async () => {
    const freeswitch = join(folder, 'freeswitch');
    write({ 'freeswitch.xml': '<document/>', 'dialplan/default.xml': '<x/>' }, freeswitch);
    const before = snapshot(freeswitch);
    const args = ['--pbx', 'freeswitch', '--freeswitch-dir', freeswitch];
    await install(...args);
    expect(snapshot(freeswitch), 'control').not.toEqual(before);
    await init('--undo', ...args);
    expect(snapshot(freeswitch)).toEqual(before);
  });
});
