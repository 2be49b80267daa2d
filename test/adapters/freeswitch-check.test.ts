/** What `pushwake check` makes of a FreeSWITCH's answers: settings of SIP profiles, and the two changes by hand in a FusionPBX. */
import { describe, expect, it } from 'vitest';
import { isFusionpbx, saidFindings } from '../../adapters/pbx/freeswitch/fusionpbx-check.ts';
import { findingOf, namesIn } from '../../adapters/pbx/freeswitch/interface-check.ts';
import { runningProfiles, settingFindings, settingsOf } from '../../adapters/pbx/freeswitch/profile-check.ts';

const LUA = (...folders: string[]) => `<configuration name="lua.conf"><settings>
${folders.map((f) => `<param name="script-directory" value="${f}/?.lua"/>`).join('\n')}
<param name="xml-handler-script" value="app.lua xml_handler"/></settings></configuration>`;
const OWN = '/usr/share/freeswitch/scripts';
const OURS = '/etc/freeswitch/pushwake/lua';

describe('settings of a profile', () => {
  const conf = (lines: string) =>
    `<configuration name="sofia.conf"><profiles><profile name="external"><settings/></profile>
<profile name="internal" x="y"><settings>${lines}</settings></profile></profiles></configuration>`;
  const found = (lines: string, margin = 60) =>
    [...settingFindings('internal', settingsOf(conf(lines), 'internal') ?? new Map(), margin)].map((f) => f.found);
  const RIGHT = '<param name="multiple-registrations" value="contact"/>';

  it.each([
    ['as advised', RIGHT, []],
    ['by Call-ID', '<param value="call-id" name="multiple-registrations"/>', []],
    ['true', '<param name="multiple-registrations" value="true"/>', []],
    ['one contact per user', '<param name="multiple-registrations" value="false"/>', [/second phone/]],
    ['only in a comment', `<!-- ${RIGHT} -->`, [/second phone/]],
    ['another margin', `${RIGHT}<param name="sip-expires-late-margin" value="5"/>`, [/margin is 5, .* is 60/]],
    [
      'OPTIONS that throw phones out',
      `${RIGHT}<param name="unregister-on-options-fail" value="true"/><param name="all-reg-options-ping" value="true"/>`,
      [/unregister-on-options-fail/, /all-reg-options-ping/],
    ],
  ])('%s', (_, lines, expected) => {
    const lines_ = found(lines);
    expect(lines_).toHaveLength(expected.length);
    for (const [i, pattern] of expected.entries()) expect(lines_[i]).toMatch(pattern);
  });

  it('a profile that is not in there: nothing is known', () => {
    expect(settingsOf(conf(RIGHT), 'nowhere')).toBeUndefined();
    expect(settingsOf('-ERR', 'internal')).toBeUndefined();
  });

  it('profiles that run, not their aliases or gateways', () => {
    const said = `<profiles><profile>\n<name>internal</name><type>profile</type></profile>
<alias>\n<name>example.com</name></alias><gateway>\n<name>external::carrier</name></gateway><profile>\n<name>external</name></profile></profiles>`;
    expect(runningProfiles(said)).toEqual(['internal', 'external']);
  });
});

describe('FusionPBX', () => {
  it.each([
    ['its lua.conf', LUA(OWN), true],
    ['as older ones have it', LUA(OWN).replace('app.lua xml_handler', 'app/xml_handler/index.lua'), true],
    ['a Lua of somebody’s own', LUA(OWN).replace('app.lua xml_handler', 'directory.lua'), false],
    ['no mod_lua', '-ERR not found', false],
  ])('is told from a FreeSWITCH by its lua.conf: %s', (_, luaConf, expected) => {
    expect(isFusionpbx(luaConf)).toBe(expected);
  });

  const lines = (said: string, luaConf = LUA(OURS, OWN)) =>
    [...saidFindings(said, luaConf)].map((f) => `${f.level} ${f.what}: ${f.found} → ${f.remedy ?? ''}`).join('\n');

  it.each([
    [
      'both are there',
      `pushwake-script ours\npushwake-row ours \${domain_name}\npushwake-done\n`,
      /^ok .*\nok [^\n]*$/,
    ],
    [
      'the row was never changed',
      `pushwake-script ours\npushwake-row plain \${domain_name}\npushwake-done\n`,
      /\nfail FusionPBX row: .*context \$\{domain_name\}.* → .*execute_extension/,
    ],
    [
      'one tenant has a row of its own',
      `pushwake-script ours\npushwake-row ours \${domain_name}\npushwake-row plain example.org\npushwake-done\n`,
      /\nwarn FusionPBX row: .*context example\.org/,
    ],
    ['the row was deleted', 'pushwake-script ours\npushwake-done\n', /\nwarn FusionPBX row: no row local_extension/],
    [
      'the database does not answer',
      'pushwake-script ours\npushwake-failed no \u001b[2Jconnection\n',
      /\nwarn FusionPBX row: FusionPBX’s database cannot be asked from here \(no [^(]*connection\)/,
    ],
    ['Lua does not answer', '-ERR no reply\n', /warn FusionPBX scripts[\s\S]*warn FusionPBX row: .*cannot be asked/],
    [
      'the line is written, FreeSWITCH runs since before',
      'pushwake-script another\npushwake-row ours x\npushwake-done\n',
      /^warn FusionPBX scripts: .*restart FreeSWITCH/,
    ],
  ])('%s', (_, said, expected) => {
    expect(lines(said)).toMatch(expected);
  });

  it('what the database says goes to a terminal: no control character of it is shown', () => {
    expect(lines('pushwake-failed no \u001b[2Jconnection\n')).not.toContain('\u001b');
  });

  it('an upgrade took the line out', () => {
    expect(lines('pushwake-script another\npushwake-row ours x\npushwake-done\n', LUA(OWN))).toMatch(
      /^warn FusionPBX scripts: .*init --pbx fusionpbx/,
    );
  });
});

describe('commands and applications that FreeSWITCH has', () => {
  const COMMANDS = namesIn(
    JSON.stringify({
      row_count: 18,
      rows: 'version strepoch hash sofia sofia_contact user_data cond expand show originate uuid_setvar uuid_getvar uuid_break uuid_kill uuid_dump global_getvar global_setvar xml_locate'
        .split(' ')
        .map((name) => ({ type: 'api', name })),
    }),
  );
  const APPLICATIONS = new Set(
    'set multiset set_profile_var event execute_extension sleep bridge intercept park'.split(' '),
  );
  const without = (all: ReadonlySet<string> | undefined, name: string) =>
    new Set([...(all ?? [])].filter((n) => n !== name));

  it('all are there', () => expect(findingOf(COMMANDS, APPLICATIONS)).toBeUndefined());
  it('an allow-list holds two back', () => {
    const finding = findingOf(without(COMMANDS, 'hash'), without(APPLICATIONS, 'multiset'));
    expect(finding).toMatchObject({ level: 'fail', found: expect.stringContaining('no hash, multiset,') });
  });
  it.each(['', '-ERR Command not found!', '{"row_count":0}', '[1]', '{"rows":[{"name":5}]}'])(
    'nothing is said of an answer that tells none: %j',
    (answer) => {
      expect(namesIn(answer)).toBeUndefined();
      expect(findingOf(namesIn(answer), undefined)).toBeUndefined();
    },
  );
});
