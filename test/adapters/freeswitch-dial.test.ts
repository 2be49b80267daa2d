/** Dial strings and originate commands: what FreeSWITCH is told, word by word. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cleanName,
  cleanNumber,
  composeText,
  isEnterprise,
  isForked,
  ofPhones,
  originateText,
  partOf,
  writtenFor,
} from '../../adapters/pbx/freeswitch/calls/dial.ts';
import { argument, ringsPhones, usersIn } from '../../adapters/pbx/freeswitch/calls/dial-string.ts';
import { type Exports, exportsOf, NO_EXPORTS } from '../../adapters/pbx/freeswitch/calls/exports.ts';
import type { Aor } from '../../plugin/core/aor.ts';

const AOR = '1001@example.com' as Aor;
const common = { aor: AOR, callId: 'c-1', caller: 'caller-1' };
const SET = 'execute_on_answer_pushwake=set_user:1001@example.com';
const USER = `presence_id=1001@example.com,dialed_user=1001,dialed_domain=example.com,${SET}`;
const PUSH = 'sip_h_X-Push-ID=c-1,sip_invite_call_id=c-1';
const HOLD =
  '[origination_uuid=hold-1,pushwake_hold=caller-1,null_enable_auto_answer=false,execute_on_originate_pushwake=ring_ready]null/1001';
const A = 'sofia/internal/sip:a@10.0.0.1';
const B = { dial: 'sofia/internal/sip:b@10.0.0.2', ours: { ref: 'ref-1', uuid: 'u-1', delayed: true } };
const OF_B = 'origination_uuid=u-1,pushwake_ref=ref-1,leg_delay_start=1';

/** What the directory says, with these contacts registered. */
const said = (text: string, ...held: string[]) => ofPhones({ text, held: held.join(',') });

describe('a dial string', () => {
  const whole = (o: Partial<Parameters<typeof partOf>[0]>, dial = `user/${AOR}`) =>
    composeText({
      dial,
      parts: new Map([[AOR, partOf({ ...common, legs: [], said: undefined, forked: false, ...o })]]),
      quiet: true,
    });

  it('has the placeholder first, then the contacts', () => {
    expect(whole({ hold: 'hold-1', legs: [{ dial: A }, B] })).toBe(
      `{ignore_early_media=true}{sip_invite_domain=example.com,${USER}}${HOLD},[${PUSH}]${A},[${PUSH},${OF_B}]${B.dial}`,
    );
  });

  it('of nobody is what an account without registrations gives', () => {
    expect(whole({})).toContain('error/user_not_registered');
  });

  const vanilla = `{^^:sip_invite_domain=example.com:presence_id=${AOR}}`;
  const user = `dialed_user=1001,dialed_domain=example.com,${SET}`;
  const rows: [string, string, readonly string[], string][] = [
    [
      'the phones stand where they stood, the further legs beside them',
      `${vanilla}${A},user/1002@d`,
      [A],
      ',user/1002@d',
    ],
    [
      'nobody registered, and no verto',
      `${vanilla}error/user_not_registered,error/user_not_registered`,
      [],
      ',error/user_not_registered',
    ],
    ['another attempt after them', `${vanilla}${A},${B.dial}|sofia/gateway/t/1`, [A, B.dial], '|sofia/gateway/t/1'],
    [
      'a contact that holds a comma goes whole',
      `${vanilla}${A};x=1,sofia/internal/x@1.2.3.4`,
      [A, `${A};x=1,sofia/internal/x@1.2.3.4`],
      '',
    ],
  ];
  it.each(rows)('of the directory: %s', (_, text, held, after) => {
    expect(whole({ hold: 'hold-1', legs: [{ dial: A }], said: said(text, ...held) })).toBe(
      `{ignore_early_media=true}${vanilla}{${user}}${HOLD},${A}${after}`,
    );
  });

  it('of the directory: what stands before the phones is for each of them', () => {
    const text = whole({ hold: 'hold-1', legs: [{ dial: A }], said: said(`loopback/1,[leg_timeout=5]${A}`, A) });
    expect(text).toBe(`{ignore_early_media=true}{${USER}}loopback/1,[leg_timeout=5]${HOLD},[leg_timeout=5]${A}`);
  });

  it('of the dialplan: each user it names in its place, the others as they are written', () => {
    const part = partOf({
      ...common,
      hold: 'hold-1',
      forked: true,
      legs: [],
      said: said(`{sip_secure_media=true}${A},loopback/9`, A),
    });
    const text = composeText({
      dial: `{leg_timeout=9}user/1500@d,[x=1]user/1001@EXAMPLE.com,user/1002@d`,
      parts: new Map([[AOR, part]]),
      quiet: false,
    });
    expect(text).toBe(
      `{leg_timeout=9}user/1500@d,[x=1][sip_secure_media=true]${HOLD},[x=1][sip_secure_media=true]loopback/9,user/1002@d`,
    );
  });

  it.each([
    ['error/user_busy', false],
    ['loopback/7777/default/XML', false],
    ['sofia/gateway/trunk/49', false],
    [A, true],
    ['error/user_not_registered', true],
  ])('%s rings phones: %s', (text, rings) => expect(ringsPhones(text)).toBe(rings));

  it('among several at once (:_:): each is composed on its own, and what is meant for all stays in front', () => {
    const dial = `<a=1>{b=2}user/${AOR}:_:[c=3]user/1002@example.com`;
    expect(usersIn(dial)).toEqual([AOR, '1002@example.com']);
    expect([isEnterprise(dial), isForked(dial, AOR)]).toEqual([true, false]);
    expect(whole({ hold: 'hold-1', legs: [{ dial: A }] }, dial)).toBe(
      `<a=1>{ignore_early_media=true}{b=2}{sip_invite_domain=example.com,${USER}}${HOLD},[${PUSH}]${A}` +
        ':_:{ignore_early_media=true}[c=3]user/1002@example.com',
    );
    const other = '1002@example.com' as Aor;
    expect([writtenFor(dial, AOR), writtenFor(dial, other)]).toEqual(['{a=1}{b=2}', '{a=1}{c=3}']);
  });

  it('with <…> in front: the variables of the one dial string, wherever they come to stand', () => {
    expect(whole({ legs: [{ dial: A }] }, `<a=1>user/${AOR}`)).toMatch(/^\{ignore_early_media=true\}\{a=1\}\{/);
  });

  it('goes into a command as one argument, and comes out as it was', () => {
    // FreeSWITCH's own reading, switch_utils.c.
    const read = (text: string) => text.replace(/\\(.)/g, (_, c: string) => (c === 's' ? ' ' : c));
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]*$/), (text) => {
        expect(argument(text)).not.toMatch(/ |(?<!\\)(?:\\\\)*'/);
        expect(read(argument(text))).toBe(text);
      }),
    );
  });
});

describe('an originate', () => {
  const originate = (
    o: {
      name?: string;
      number?: string;
      hidden?: boolean;
      context?: string;
      answered?: boolean;
      exports?: Exports;
      written?: string;
      said?: ReturnType<typeof ofPhones>;
      toAccount?: boolean;
    } = {},
  ) =>
    originateText({
      aor: AOR,
      callId: 'c-1',
      uuid: 'u-1',
      ref: 'ref-1',
      dial: 'sofia/internal/sip:a@10.0.0.1',
      toAccount: o.toAccount ?? false,
      caller: { uuid: 'caller-1', number: o.number ?? '2000', name: o.name ?? 'The Caller', hidden: o.hidden ?? false },
      context: o.context ?? 'pushwake',
      answered: o.answered ?? false,
      timeoutSeconds: 20,
      exports: o.exports ?? NO_EXPORTS,
      written: o.written ?? '',
      said: o.said,
      forked: false,
      enterprise: false,
    });

  it('finds our extensions in the context that the dialplan names', () => {
    expect(originate({ context: 'pushwake@fusionpbx' })).toContain(
      'execute_extension:pushwake_swap\\sXML\\spushwake@fusionpbx',
    );
  });

  it('takes over what the administrator’s dialplan exported, quoted, and before what is ours', () => {
    const headers = {
      variable_export_vars: 'nolocal:rtp_secure_media,sip_h_Alert-Info,evil,pushwake_ref,nolocal:execute_on_answer',
      'variable_nolocal:rtp_secure_media': 'mandatory',
      'variable_sip_h_Alert-Info': '<http://a/b>;info=ring,2',
      'variable_nolocal:execute_on_answer': 'record_session /tmp/a.wav',
      variable_evil: "x',origination_uuid=y} &system(id)",
      variable_pushwake_ref: 'z',
    };
    const exports = exportsOf(headers);
    expect(exports.refused).toEqual(['evil']);
    expect(originate({ exports })).toContain(
      "originate {export_vars=\\'sip_h_Alert-Info,nolocal:rtp_secure_media,nolocal:execute_on_answer\\',sip_h_Alert-Info=\\'<http://a/b>;info=ring,2\\',rtp_secure_media=\\'mandatory\\'," +
        "execute_on_answer=\\'record_session\\s/tmp/a.wav\\'}{origination_caller_id_number=2000,",
    );
  });

  const CALLER = "origination_caller_id_number=2000,origination_caller_id_name=\\'The\\sCaller\\'";
  const RUNG = 'origination_uuid=u-1,ignore_early_media=true,originate_timeout=20,intercept_unanswered_only=true';
  const OURS =
    'pushwake_ref=ref-1,pushwake_caller=caller-1,origination_aleg_uuid=caller-1,' +
    "execute_on_answer_pushwake_swap=\\'execute_extension:pushwake_swap\\sXML\\spushwake\\'";

  it('rings the phone and takes the caller over', () => {
    expect(originate()).toBe(
      `originate {${CALLER},${RUNG},${OURS},sip_invite_domain=example.com,${USER},${PUSH}}` +
        'sofia/internal/sip:a@10.0.0.1 &intercept(caller-1)',
    );
  });

  it('has what the dialplan and the directory write for a leg of this user, whose caller id counts', () => {
    const text = originate({
      written: '{leg_timeout=9}',
      said: said(`{sip_secure_media=true,origination_caller_id_number=7}[a=b]${A}`, A),
    });
    expect(text).toBe(
      'originate {leg_timeout=9}{sip_secure_media=true,origination_caller_id_number=7}{a=b}' +
        `{origination_caller_id_name=\\'The\\sCaller\\',${RUNG},${OURS},${USER},${PUSH}}` +
        'sofia/internal/sip:a@10.0.0.1 &intercept(caller-1)',
    );
  });

  it('names the account in To for an app that finds it by that alone, unless somebody else has written it', () => {
    expect(originate()).not.toContain('sip_invite_to_uri');
    expect(originate({ toAccount: true })).toContain(`,sip_invite_to_uri=<sip:${AOR}>}sofia/`);
    const own = originate({ toAccount: true, written: '{sip_invite_to_uri=<sip:x@y>}' });
    expect(own.match(/sip_invite_to_uri/g)).toHaveLength(1);
  });

  it('takes a caller whom an attendant answered only out of no talk', () => {
    expect(originate({ answered: true })).toContain('intercept_unbridged_only=true');
    expect(originate({ answered: true })).not.toContain('intercept_unanswered_only');
  });

  it('gives a caller without a name none, and one whose name cannot be handed on his number', () => {
    expect(originate({ name: '' })).toContain("origination_caller_id_name=\\'\\'");
    expect(originate({ name: '☎' })).toContain("origination_caller_id_name=\\'2000\\'");
  });

  it('keeps a hidden caller hidden', () => {
    expect(originate({ hidden: true })).toContain('origination_privacy=hide_name:hide_number:screen');
  });

  it('keeps what a caller calls himself inside its quotes', () => {
    expect(cleanName('Jörg O\'Neil, "X" }&park()\\')).toBe('Jörg O’Neil X park');
    expect(cleanNumber('+49 (30) 12&34')).toBe('+49301234');
    expect(cleanNumber('„“')).toBe('anonymous');
    const form =
      /^originate \{[a-zA-Z_0-9=,.@:;+*#-]*origination_caller_id_name=\\'[^'" {}[\]$,&|^;=<>\n]*\\',[a-zA-Z_0-9=,.@:'\\-]*\}sofia\/internal\/sip:a@10\.0\.0\.1 &intercept\(caller-1\)$/;
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 40 }), (name, number) => {
        expect(originate({ name, number })).toMatch(form);
      }),
    );
  });
});
