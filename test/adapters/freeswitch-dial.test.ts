/** Dial strings and originate commands: what FreeSWITCH is told, word by word. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanName, cleanNumber, composeText, originateText } from '../../adapters/pbx/freeswitch/calls/dial.ts';
import { type Exports, exportsOf, NO_EXPORTS } from '../../adapters/pbx/freeswitch/calls/exports.ts';
import type { Aor } from '../../plugin/core/aor.ts';

const AOR = '1001@example.com' as Aor;
const common = { aor: AOR, callId: 'c-1', caller: 'caller-1' };
const PHONE = 'sip_h_X-Push-ID=c-1,sip_invite_call_id=c-1,sip_invite_domain=example.com,presence_id=1001@example.com';

describe('a dial string', () => {
  it('has the placeholder first, then the contacts', () => {
    expect(
      composeText({
        ...common,
        hold: 'hold-1',
        legs: [
          { dial: 'sofia/internal/sip:a@10.0.0.1' },
          { dial: 'sofia/internal/sip:b@10.0.0.2', ours: { ref: 'ref-1', uuid: 'u-1', delayed: true } },
        ],
      }),
    ).toBe(
      '{ignore_early_media=true}' +
        '[origination_uuid=hold-1,pushwake_hold=caller-1,null_enable_auto_answer=false]null/pushwake' +
        `,[${PHONE}]sofia/internal/sip:a@10.0.0.1` +
        `,[${PHONE},origination_uuid=u-1,pushwake_ref=ref-1,leg_delay_start=1]sofia/internal/sip:b@10.0.0.2`,
    );
  });

  it('of nobody is what an account without registrations gives', () => {
    expect(composeText({ ...common, legs: [] })).toBe('error/user_not_registered');
  });
});

describe('an originate', () => {
  const originate = (
    o: { name?: string; number?: string; hidden?: boolean; answered?: boolean; exports?: Exports } = {},
  ) =>
    originateText({
      aor: AOR,
      callId: 'c-1',
      uuid: 'u-1',
      ref: 'ref-1',
      dial: 'sofia/internal/sip:a@10.0.0.1',
      caller: { uuid: 'caller-1', number: o.number ?? '2000', name: o.name ?? 'The Caller', hidden: o.hidden ?? false },
      answered: o.answered ?? false,
      timeoutSeconds: 20,
      exports: o.exports ?? NO_EXPORTS,
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
      "originate {rtp_secure_media='mandatory',sip_h_Alert-Info='<http://a/b>;info=ring,2'," +
        "execute_on_answer='record_session /tmp/a.wav',origination_uuid=u-1,",
    );
  });

  it('rings the phone and takes the caller over', () => {
    expect(originate()).toBe(
      "originate {origination_uuid=u-1,origination_caller_id_number=2000,origination_caller_id_name='The Caller'," +
        'ignore_early_media=true,originate_timeout=20,intercept_unanswered_only=true,pushwake_ref=ref-1,' +
        `pushwake_caller=caller-1,${PHONE}}sofia/internal/sip:a@10.0.0.1 &intercept(caller-1)`,
    );
  });

  it('takes a caller whom an attendant answered only out of no talk', () => {
    expect(originate({ answered: true })).toContain('intercept_unbridged_only=true');
    expect(originate({ answered: true })).not.toContain('intercept_unanswered_only');
  });

  it('keeps a hidden caller hidden', () => {
    expect(originate({ hidden: true })).toContain('origination_privacy=hide_name:hide_number:screen');
  });

  it('keeps what a caller calls himself inside its quotes', () => {
    expect(cleanName('Jörg O\'Neil, "X" }&park()\\')).toBe('Jörg O’Neil X park');
    expect(cleanNumber('+49 (30) 12&34')).toBe('+49301234');
    expect(cleanNumber('„“')).toBe('anonymous');
    const form =
      /^originate \{[a-zA-Z_0-9=,.@:;'+*# -]*origination_caller_id_name='[^'"\\{}[\]$,&|^;=<>\n]*',[a-zA-Z_0-9=,.@:-]*\}sofia\/internal\/sip:a@10\.0\.0\.1 &intercept\(caller-1\)$/;
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 40 }), (name, number) => {
        expect(originate({ name, number })).toMatch(form);
      }),
    );
  });
});
