/** `pushwake init` in folders of its own: what it writes, what it leaves alone, and that a second run changes nothing. */
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unifiedDiff } from '../../plugin/commands/init/diff.ts';
import { settingOf, withSetting } from '../../plugin/commands/init/plan.ts';
import { load } from '../../plugin/commands/setup.ts';
import { inProcess } from './command.ts';

let folder: string;
let asterisk: string;
let config: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-init-'));
  asterisk = join(folder, 'asterisk');
  config = join(folder, 'pushwake', 'pushwake.yaml');
  mkdirSync(asterisk);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const init = (...args: string[]) =>
  inProcess('init', '-c', config, '--asterisk-dir', asterisk, '--store', join(folder, 'b.db'), ...args);

const SMALL = {
  'ari.conf': '[general]\n;enabled = no\npretty = yes\n\n[old]\ntype = user\npassword = old-secret\n',
  'http.conf': '[general]\nenabled = no ; off\nbindport = 8089\n',
  'extensions.conf': '[internal]\nexten => 1001,1,Dial(PJSIP/1001)',
  'hep.conf': '[general]\nenabled = no\ncapture_address = 192.0.2.1:9061\ncapture_password = foo\n',
};
const write = (files: Readonly<Record<string, string>>) => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(asterisk, name), text, { mode: 0o640 });
};
const read = (name: string) => readFileSync(join(asterisk, name), 'utf8');
const snapshot = () => Object.fromEntries(readdirSync(asterisk).map((name) => [name, read(name)]));

describe('a small Asterisk', () => {
  it('the group of the configuration’s folder may read it, as the package sets that up', async () => {
    write(SMALL);
    // 1 is there on every Linux; who is not root cannot give the folder away, and the file stays private.
    const isRoot = process.getuid?.() === 0;
    mkdirSync(dirname(config), { recursive: true });
    if (isRoot) chownSync(dirname(config), 0, 1);
    expect(await init('--realm', 'example.com')).toMatchObject({ code: 0 });
    const { mode, gid } = statSync(config);
    expect({ mode: mode & 0o777, gid }).toEqual(isRoot ? { mode: 0o640, gid: 1 } : { mode: 0o600, gid });
  });

  it('is set up: passwords on both sides, includes at the end, a copy of each file that was changed', async () => {
    write(SMALL);
    const ran = await init('--realm', 'example.com', '--install');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(statSync(config).mode & 0o777).toBe(0o600);
    const loaded = (await load(config)).config;
    expect(loaded.mode).toBe('observe');
    const options = loaded.pbx.office?.options as { url: string; password: string; hep: { password: string } };
    expect(options.url).toBe('http://127.0.0.1:8089');
    expect(options.password).toMatch(/^[0-9a-f]{48}$/);
    expect(settingOf(read('pushwake-ari.conf'), 'pushwake', 'password')).toBe(options.password);
    expect(settingOf(read('hep.conf'), 'general', 'capture_password')).toBe(options.hep.password);
    expect(options.hep.password).not.toBe(options.password);
    // Not the one of Asterisk's example, which is switched off.
    expect(options.hep.password).toMatch(/^[0-9a-f]{48}$/);
    expect(read('ari.conf')).toBe(`${SMALL['ari.conf']}#include "pushwake-ari.conf"\n`);
    expect(read('extensions.conf')).toBe(`${SMALL['extensions.conf']}\n#include "pushwake-extensions.conf"\n`);
    expect(settingOf(read('http.conf'), 'general', 'enabled')).toBe('yes');
    for (const [name, text] of Object.entries(SMALL)) expect(read(`${name}.before-pushwake`)).toBe(text);
    // As private as what includes it.
    expect(statSync(join(asterisk, 'pushwake-ari.conf')).mode & 0o777).toBe(0o640);
    // Nothing of the passwords on the screen.
    expect(ran.stdout).not.toContain(options.password);
    expect(ran.stdout).toContain('pushwake check -c');
  });

  it('a second run changes nothing; one after a change by hand mends only that', async () => {
    write(SMALL);
    await init('--realm', 'example.com', '--install');
    const before = { ...snapshot(), config: readFileSync(config, 'utf8') };
    const again = await init('--install');
    expect(again.stdout).toContain('Everything is as it should be already');
    expect({ ...snapshot(), config: readFileSync(config, 'utf8') }).toEqual(before);
    writeFileSync(join(asterisk, 'extensions.conf'), SMALL['extensions.conf']);
    await init('--install');
    const { 'extensions.conf.before-pushwake.1': second, ...rest } = snapshot();
    expect(second).toBe(SMALL['extensions.conf']);
    expect({ ...rest, config: before.config }).toEqual(before);
  });

  it('begins in the mode that is asked for, and never changes that of a file that is there', async () => {
    write(SMALL);
    const wrong = await init('--realm', 'example.com', '--install', '--mode', 'fll');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('expected observe or full, found "fll"') });
    expect(await init('--realm', 'example.com', '--install', '--mode', 'full')).toMatchObject({ code: 0 });
    expect((await load(config)).config.mode).toBe('full');
    const again = await init('--install', '--mode', 'observe');
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('says full; change it there') });
  });

  it('run again with another realm or key: nothing is written, and it says what to write; the same again is right', async () => {
    write(SMALL);
    expect(await init('--realm', 'example.com', '--install')).toMatchObject({ code: 0 });
    const before = readFileSync(config, 'utf8');
    // The words of the comment that the file holds: a comment configures nothing.
    const key = 'TEAM123456,com.example.phone,KEY1234567,/etc/pushwake/AuthKey_KEY1234567.p8';
    const later = await init('--realm', 'example.com', '--install', '--apns', key);
    expect(later).toMatchObject({ code: 2, stderr: expect.stringContaining('something else than --apns') });
    expect(later.stderr).toContain('      - teamId: "TEAM123456"');
    // A part of the realm is another realm.
    expect((await init('--realm', 'ample.com', '--install')).stderr).toContain('something else than --realm');
    expect(readFileSync(config, 'utf8')).toBe(before);
    expect(await init('--realm', 'example.com', '--install')).toMatchObject({ code: 0 });
  });

  it('a dry run writes nothing and shows no password', async () => {
    write(SMALL);
    const before = snapshot();
    const ran = await init('--realm', 'example.com', '--dry-run');
    expect(snapshot()).toEqual(before);
    expect(readdirSync(folder)).toEqual(['asterisk']);
    expect(ran.stdout).toMatch(/^\+#include "pushwake-ari.conf"$/m);
    expect(ran.stdout).toMatch(/^-enabled = no ; off$/m);
    expect(ran.stdout).toContain('7 files would change; nothing was written.');
    expect(ran.stdout).not.toMatch(/[0-9a-f]{48}|old-secret/);
  });

  it('without --install and nobody to ask, the PBX is left as it is and what is to be done is shown', async () => {
    write(SMALL);
    const before = snapshot();
    const ran = await init('--realm', 'example.com');
    expect(ran.code).toBe(0);
    expect(snapshot()).toEqual(before);
    expect(ran.stdout).toMatch(/^\+#include "pushwake-extensions.conf"$/m);
    expect(ran.stderr).toContain('run it again with --install');
    expect(readdirSync(join(folder, 'pushwake'))).toEqual(['pushwake.yaml']);
  });

  it('one that sends HEP to Homer goes on doing so', async () => {
    const homer = '[general]\nenabled = yes\ncapture_address = 192.0.2.1:9060\n';
    write({ ...SMALL, 'hep.conf': homer });
    const ran = await init('--realm', 'example.com', '--install');
    expect(read('hep.conf')).toBe(homer);
    expect(ran.stdout).toContain('set hep.forward to 192.0.2.1:9060');
  });

  it('FreePBX: the files it writes itself are not touched', async () => {
    write({ 'extensions.conf': '; generated', 'ari.conf': '; generated', 'extensions_additional.conf': '; generated' });
    await init('--realm', 'example.com', '--install');
    expect(read('extensions.conf')).toBe('; generated');
    expect(read('ari.conf')).toBe('; generated');
    expect(read('extensions_custom.conf')).toBe('#include "pushwake-extensions.conf"\n');
    expect(read('ari_additional_custom.conf')).toBe('#include "pushwake-ari.conf"\n');
  });

  it('keys of the push services go into the file, and one whose file is not there is named', async () => {
    write(SMALL);
    const ran = await init(
      '--realm',
      'example.com',
      '--apns',
      'TEAM123456,com.example.phone,KEY1234567,/nowhere/k.p8',
      '--fcm',
      `example-phone,${asterisk}/ari.conf`,
    );
    expect(ran.stdout).toContain(
      'note: the key file /nowhere/k.p8 is not there yet: pushwake does not start without it',
    );
    expect(ran.stdout).not.toContain(`the key file ${asterisk}`);
    const { push } = (await load(config)).config;
    expect(push).toMatchObject({
      apns: { options: { apps: [{ teamId: 'TEAM123456', bundleId: 'com.example.phone', key: '/nowhere/k.p8' }] } },
      fcm: { options: { apps: [{ projectId: 'example-phone', serviceAccount: `${asterisk}/ari.conf` }] } },
    });
  });
});

describe('--webrtc', () => {
  const PJSIP = '[transport-udp]\ntype = transport\nprotocol = udp\n\n[1001]\ntype = endpoint';
  const INCLUDE = '#include "pushwake-webrtc.conf"';

  it('Asterisk: the templates stand before the endpoints, and what only a person can do is said', async () => {
    write({ ...SMALL, 'pjsip.conf': PJSIP });
    const ran = await init('--realm', 'example.com', '--install', '--webrtc');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(read('pjsip.conf')).toBe(`${INCLUDE}\n${PJSIP}`);
    expect(read('pushwake-webrtc.conf')).toContain('[pushwake-webrtc](!)');
    expect(settingOf(read('http.conf'), 'general', 'enabled')).toBe('yes');
    for (const said of ['[1001](pushwake-webrtc)', 'core restart now', 'tlscertfile'])
      expect(ran.stdout).toContain(said);
  });

  it('a second run changes nothing, with it or without; an include that stands elsewhere stays there', async () => {
    write({ ...SMALL, 'pjsip.conf': PJSIP });
    await init('--realm', 'example.com', '--install', '--webrtc');
    const before = snapshot();
    expect((await init('--install', '--webrtc')).stdout).toContain('Everything is as it should be already');
    expect((await init('--install')).stdout).toContain('Everything is as it should be already');
    expect(snapshot()).toEqual(before);
    const own = `; of the site\n${INCLUDE}\n${PJSIP}`;
    writeFileSync(join(asterisk, 'pjsip.conf'), own);
    await init('--install', '--webrtc');
    expect(read('pjsip.conf')).toBe(own);
  });

  it('without it nothing of it is written or said', async () => {
    write({ ...SMALL, 'pjsip.conf': PJSIP });
    const ran = await init('--realm', 'example.com', '--install');
    expect(read('pjsip.conf')).toBe(PJSIP);
    expect(readdirSync(asterisk)).not.toContain('pushwake-webrtc.conf');
    expect(ran.stdout).not.toMatch(/webrtc|browser/i);
  });

  it.each([
    ['with pjsip.conf', { 'pjsip.conf': PJSIP }],
    ['without one', {}],
  ])('--undo takes it back byte for byte: %s', async (_, more) => {
    write({ ...SMALL, ...more });
    const before = snapshot();
    await init('--realm', 'example.com', '--install', '--webrtc');
    const ran = await init('--undo');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(snapshot()).toEqual(before);
  });

  it('--undo of a pjsip.conf that was changed since takes our line out and leaves the rest', async () => {
    write({ ...SMALL, 'pjsip.conf': PJSIP });
    await init('--realm', 'example.com', '--install', '--webrtc');
    writeFileSync(join(asterisk, 'pjsip.conf'), `${read('pjsip.conf')}\n[1002](pushwake-webrtc)\n`);
    const ran = await init('--undo');
    expect(read('pjsip.conf')).toBe(`${PJSIP}\n[1002](pushwake-webrtc)\n`);
    expect(ran.stdout).toContain('pjsip.conf: 1002 still names the template pushwake-webrtc');
  });

  it('an Asterisk with wss of its own is told what its certificate must be', async () => {
    const http = `${SMALL['http.conf']}tlsenable = yes\ntlsbindaddr = 0.0.0.0:8089\ntlscertfile = /etc/asterisk/keys/a.pem\n`;
    write({ ...SMALL, 'http.conf': http });
    const ran = await init('--realm', 'example.com', '--install', '--webrtc');
    expect(ran.stdout).toContain('http.conf has wss already, at 0.0.0.0:8089');
  });

  it('FreePBX: its pages are named, and no file of PJSIP is touched', async () => {
    write({ 'extensions.conf': '', 'pjsip.conf': PJSIP, 'extensions_additional.conf': '; generated' });
    const ran = await init('--realm', 'example.com', '--install', '--webrtc');
    expect(ran.stdout).toContain('"Enable WebRTC defaults"');
    expect(read('pjsip.conf')).toBe(PJSIP);
    expect(readdirSync(asterisk)).not.toContain('pushwake-webrtc.conf');
  });

  it.each([
    [
      'nothing',
      '<!-- <param name="wss-binding" value=":7443"/> -->',
      /internal\.xml, in <settings>.*wss-binding.*ws-binding.*apply-candidate-acl/,
    ],
    [
      'one of two',
      '<param name="ws-binding"  value=":5066"/>',
      /internal\.xml has ws-binding :5066\.[\s\S]*internal\.xml, in <settings>[^\n]*wss-binding/,
    ],
  ])('FreeSWITCH: the lines of its profile, where it has %s', async (_, lines, expected) => {
    const freeswitch = join(folder, 'freeswitch');
    mkdirSync(join(freeswitch, 'sip_profiles'), { recursive: true });
    writeFileSync(join(freeswitch, 'freeswitch.xml'), '<document/>');
    const profile = join(freeswitch, 'sip_profiles', 'internal.xml');
    writeFileSync(profile, `<profile name="internal"><settings>${lines}</settings></profile>`);
    const ran = await init('--realm', 'example.com', '--freeswitch-dir', freeswitch, '--install', '--webrtc');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stdout).toMatch(expected);
    expect(ran.stdout).toContain('wss.pem');
    expect(readFileSync(profile, 'utf8')).toContain(lines);
  });

  it('FusionPBX: where its pages have them', async () => {
    const of = join(folder, 'fusionpbx');
    mkdirSync(join(of, 'autoload_configs'), { recursive: true });
    writeFileSync(join(of, 'freeswitch.xml'), '<document/>');
    writeFileSync(join(of, 'autoload_configs', 'event_socket.conf.xml'), '<param name="password" value="x"/>');
    const ran = await init('--pbx', 'fusionpbx', '--freeswitch-dir', of, '--install', '--webrtc');
    expect(ran.stdout).toContain('Advanced, SIP Profiles, internal: wss-binding :7443');
  });
});

describe('a FreeSWITCH', () => {
  const socket = (password: string) =>
    `<configuration name="event_socket.conf">\n<settings>\n<param name="listen-port" value="8022"/>\n<param name="password" value="${password}"/>\n</settings></configuration>\n`;

  it('its event socket is shared with others: the password is taken over, not changed', async () => {
    const freeswitch = join(folder, 'freeswitch');
    mkdirSync(join(freeswitch, 'autoload_configs'), { recursive: true });
    writeFileSync(join(freeswitch, 'freeswitch.xml'), '<document/>');
    const file = join(freeswitch, 'autoload_configs', 'event_socket.conf.xml');
    writeFileSync(file, socket('of-the-site'));
    const ran = await init('--realm', 'example.com', '--freeswitch-dir', freeswitch, '--install');
    expect(ran.code, ran.stderr).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(socket('of-the-site'));
    expect((await load(config)).config.pbx.office).toMatchObject({
      type: 'freeswitch',
      options: { port: 8022, password: 'of-the-site' },
    });
    expect(readFileSync(join(freeswitch, 'dialplan', 'pushwake.xml'), 'utf8')).toContain('<context name="pushwake">');
  });
});

describe('a FusionPBX', () => {
  const LUA_CONF = `<configuration name="lua.conf">
  <settings>
    <!-- <param name="script-directory" value="/usr/local/lua/?.lua"/> -->
    <param name="script-directory" value="$\${script_dir}/?.lua"/>
  </settings>
</configuration>
`;
  const made = (luaConf = LUA_CONF, socket = '<param name="password" value="of-fusionpbx"/>') => {
    const of = join(folder, 'fusionpbx');
    mkdirSync(join(of, 'autoload_configs'), { recursive: true });
    writeFileSync(join(of, 'freeswitch.xml'), '<document/>');
    writeFileSync(join(of, 'autoload_configs', 'event_socket.conf.xml'), socket);
    writeFileSync(join(of, 'autoload_configs', 'lua.conf.xml'), luaConf);
    return of;
  };
  const textOf = (...path: string[]) => readFileSync(join(...path), 'utf8');
  const initialised = (of: string, ...more: string[]) =>
    init('--pbx', 'fusionpbx', '--freeswitch-dir', of, '--install', ...more);

  it('gets the dialplan in a context that its database leaves alone, and its scripts find ours first', async () => {
    const of = made();
    const ran = await initialised(of);
    expect(ran.code, ran.stderr).toBe(0);
    const dialplan = textOf(of, 'dialplan', 'pushwake.xml');
    expect(dialplan).toContain('<context name="pushwake@fusionpbx">');
    expect(dialplan).toContain('pushwake_context=pushwake@fusionpbx;');
    expect(dialplan).not.toMatch(/action application="execute_extension" data="\S+ XML pushwake"/);
    const paths = [...textOf(of, 'autoload_configs', 'lua.conf.xml').matchAll(/^ *<param .*value="([^"]*)"/gm)];
    const [ours = '', theirs] = paths.map((m) => m[1]);
    expect(theirs).toBe('$${script_dir}/?.lua');
    expect(textOf(ours.replace('?', 'resources/functions/config'))).toContain('pushwake for FusionPBX');
    expect(ran.stdout).toContain('local_extension');
    // Every tenant has its own 1001.
    expect((await load(config)).config.pbx.office).toMatchObject({
      type: 'freeswitch',
      options: { realm: '*', password: 'of-fusionpbx' },
    });
  });

  it('a second run changes nothing', async () => {
    const of = made();
    await initialised(of);
    const before = textOf(of, 'autoload_configs', 'lua.conf.xml');
    const again = await initialised(of);
    expect(again.stdout).toContain('Everything is as it should be already');
    expect(textOf(of, 'autoload_configs', 'lua.conf.xml')).toBe(before);
  });

  it('--undo leaves nothing behind, also when lua.conf.xml was changed since', async () => {
    const of = made();
    const luaConf = join(of, 'autoload_configs', 'lua.conf.xml');
    await initialised(of);
    const ran = await init('--pbx', 'fusionpbx', '--freeswitch-dir', of, '--undo');
    expect(ran.code, ran.stderr).toBe(0);
    expect(readFileSync(luaConf, 'utf8')).toBe(LUA_CONF);
    const files = () =>
      readdirSync(of, { recursive: true, withFileTypes: true }).flatMap((e) => (e.isFile() ? [e.name] : []));
    expect(files().sort()).toEqual(['event_socket.conf.xml', 'freeswitch.xml', 'lua.conf.xml']);
    await initialised(of);
    writeFileSync(
      luaConf,
      readFileSync(luaConf, 'utf8').replace('</settings>', '<!-- a word of the site -->\n  </settings>'),
    );
    await init('--pbx', 'fusionpbx', '--freeswitch-dir', of, '--undo');
    expect(readFileSync(luaConf, 'utf8')).not.toContain('pushwake');
    expect(readFileSync(luaConf, 'utf8')).toContain('a word of the site');
  });

  it('a lua.conf.xml without a folder of scripts stays as it is, and that is said', async () => {
    const bare = '<configuration name="lua.conf"><settings/></configuration>';
    const of = made(bare);
    const ran = await initialised(of);
    expect(ran.stdout).toMatch(/lua\.conf\.xml has no script-directory/);
    expect(textOf(of, 'autoload_configs', 'lua.conf.xml')).toBe(bare);
  });

  it('without a password of the event socket it is none', async () => {
    const ran = await initialised(made(LUA_CONF, ''));
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/is FusionPBX installed\?/)]);
  });
});

describe('who may use our ARI user', () => {
  const path = process.env.PATH;
  afterEach(() => {
    process.env.PATH = path;
  });
  /** The `asterisk` of the PATH. */
  const installed = (version: string) => {
    mkdirSync(join(folder, 'bin'), { recursive: true });
    writeFileSync(join(folder, 'bin', 'asterisk'), `#!/bin/sh\necho 'Asterisk ${version}'\n`, { mode: 0o755 });
    process.env.PATH = `${join(folder, 'bin')}:${path}`;
  };
  const acl = () => read('pushwake-ari.conf').match(/^(?:deny|permit|acl) .*$/gm) ?? [];
  const LOCAL = ['deny = 0.0.0.0/0.0.0.0', 'deny = ::/0', 'permit = 127.0.0.0/255.0.0.0', 'permit = ::1/128'];

  it.each([
    // Its line would cost all of ari.conf there.
    ['16.28.0~dfsg-0+deb11u4', SMALL['http.conf'], []],
    ['18.26.4', SMALL['http.conf'], []],
    ['20.18.2', SMALL['http.conf'], []],
    ['20.19.0', SMALL['http.conf'], LOCAL],
    ['21.12.3', SMALL['http.conf'], []],
    ['22.8.2', SMALL['http.conf'], []],
    ['22.10.1', SMALL['http.conf'], LOCAL],
    ['23.2.0', SMALL['http.conf'], []],
    ['23.3.0', SMALL['http.conf'], LOCAL],
    ['24.0.0', SMALL['http.conf'], LOCAL],
    ['GIT-master-1234', SMALL['http.conf'], []],
    ['22.10.1', '[general]\nbindaddr = 192.0.2.7\n', [...LOCAL, 'permit = 192.0.2.7/255.255.255.255']],
    ['22.10.1', '[general]\nbindaddr = 2001:db8::7\n', [...LOCAL, 'permit = 2001:db8::7/128']],
    ['22.10.1', '[general]\nbindaddr = pbx.example.com\n', []],
  ])('Asterisk %s, with %j', async (version, http, lines) => {
    write({ ...SMALL, 'http.conf': http });
    installed(version);
    const ran = await init('--realm', 'example.com', '--install');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(acl()).toEqual(lines);
  });

  it('a file that is there keeps the lines it has, and gets none: another pushwake may use it from elsewhere', async () => {
    write(SMALL);
    installed('22.8.0');
    await init('--realm', 'example.com', '--install');
    installed('22.10.1');
    expect((await init('--install')).stdout).toContain('Everything is as it should be already');
    expect(acl()).toEqual([]);
    const own = `${read('pushwake-ari.conf')}; who may use it: a pushwake on this machine\ndeny = 0.0.0.0/0\npermit = 192.0.2.9\n`;
    writeFileSync(join(asterisk, 'pushwake-ari.conf'), own);
    await init('--install');
    expect(read('pushwake-ari.conf')).toBe(own);
  });
});

describe('what cannot be done is said, with exit code 2, and nothing is written', () => {
  it.each([
    ['no PBX', {}, ['--realm', 'example.com', '--freeswitch-dir', '/nowhere'], /^no PBX configuration found in /],
    ['no realm and nobody to ask', SMALL, [], /^--realm: expected a host name/],
    [
      'a realm that is none',
      SMALL,
      ['--realm', 'a b'],
      /^--realm: expected a host name, for example example\.com, found "a b"/,
    ],
    [
      'half a key',
      SMALL,
      ['--realm', 'example.com', '--apns', 'TEAM123456'],
      /^--apns: expected teamId,bundleId,keyId,key/,
    ],
    [
      'a team id that is none',
      SMALL,
      ['--realm', 'example.com', '--apns', 'ABCD1234,com.example.phone,KEY1234567,/etc/k.p8'],
      /^--apns: teamId: expected the 10 letters and digits Apple shows\nnothing was written/,
    ],
    [
      'a bundle id with the service in it',
      SMALL,
      ['--realm', 'example.com', '--apns', 'TEAM123456,com.example.phone.voip,KEY1234567,/etc/k.p8'],
      /^--apns: bundleId: /,
    ],
    [
      'another kind of PBX',
      SMALL,
      ['--pbx', '3cx'],
      /^--pbx: expected asterisk, freepbx, freeswitch or fusionpbx, found "3cx"/,
    ],
  ])('%s', async (_, files, args, expected) => {
    write(files);
    const before = snapshot();
    const ran = await init(...args, '--install');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(expected);
    expect(snapshot()).toEqual(before);
    expect(readdirSync(folder)).toEqual(['asterisk']);
  });

  it('a configuration that is there and has a mistake: the mistake, not a new file', async () => {
    write(SMALL);
    mkdirSync(join(folder, 'pushwake'));
    writeFileSync(config, 'mode: ful\n');
    const ran = await init('--realm', 'example.com', '--install');
    expect(ran).toMatchObject({ code: 2 });
    expect(ran.stderr).toMatch(/pushwake\.yaml:1:7 mode: expected one of observe, full/);
    expect(readFileSync(config, 'utf8')).toBe('mode: ful\n');
    expect(read('ari.conf')).toBe(SMALL['ari.conf']);
  });
});

describe('the parts', () => {
  it.each([
    ['where it stands', '[general]\na = 1 ; x\n[other]\na = 2\n', '[general]\na = 9\n[other]\na = 2\n'],
    ['where it is missing', '[general]\n; a = 1\n[other]\na = 2', '[general]\na = 9\n; a = 1\n[other]\na = 2'],
    ['where there is no section', 'x', '[general]\na = 9\n\nx'],
    ['in an empty file', '', '[general]\na = 9\n'],
  ])('a setting is set %s', (_, before, after) => {
    expect(withSetting(before, 'general', 'a', '9')).toBe(after);
    expect(settingOf(after, 'general', 'a')).toBe('9');
  });

  it('a diff shows what changes, a little around it, and no secret', () => {
    expect(unifiedDiff('/x', 'a\nb\nc\nd\n', 'a\nb\npassword = hunter2\nd\n')).toBe(
      '--- /x\n+++ /x\n@@ -1,4 +1,4 @@\n a\n b\n-c\n+password = …\n d',
    );
  });
});
