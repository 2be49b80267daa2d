/** What FreeSWITCH holds, read from its own answer, and what may be flushed of it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { flushable, heldOf, isSafeCallId, type Row } from '../../adapters/pbx/freeswitch/registrations/rows.ts';
import { ownAddresses, readRegistrations } from '../../adapters/pbx/freeswitch/registrations/xml-status.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { instant } from '../../plugin/core/time.ts';

const RECORDED = readFileSync(
  fileURLToPath(new URL('../transcripts/freeswitch/xmlstatus-reg.xml', import.meta.url)),
  'utf8',
);

describe('the snapshot', () => {
  it('gives every row, with what was escaped as it was', () => {
    const rows = readRegistrations('internal', RECORDED);
    expect(rows).toHaveLength(3);
    expect(rows?.[0]).toEqual({
      profile: 'internal',
      callId: '8e3695b978ef789d@127.0.0.24',
      user: '1000@pbx.test',
      contact: '"" <sip:1000@127.0.0.24:5100;transport=udp;pn-provider=fcm;pn-param=p&q;pn-prid=TOK0>',
      agent: 'LabPhone/1.0',
      expiresInSeconds: 605,
    });
  });

  it('is unknown, not empty, when FreeSWITCH says anything else', () => {
    for (const answer of ['', 'Invalid Profile!\n', '-ERR no reply', RECORDED.slice(0, -20)]) {
      expect(readRegistrations('internal', answer)).toBeUndefined();
    }
    expect(readRegistrations('internal', RECORDED.replace(/<registration>[\s\S]*<\/registration>\n/, ''))).toEqual([]);
  });

  it('a Call-ID that holds XML makes no row of its own', () => {
    const evil = 'x</call-id><user>victim@pbx.test</user><call-id>y';
    const rows = readRegistrations('internal', RECORDED.replace('8e3695b978ef789d@127.0.0.24', evil));
    expect(rows?.map((r) => r.user)).toEqual(['1000@pbx.test', '1001@pbx.test', '1002@pbx.test']);
    expect(rows?.[0]?.callId).toBe(evil);
  });

  it('tells the addresses a profile listens on', () => {
    const xml = `<sip-ip>10.0.0.5</sip-ip>
    <url>sip:mod_sofia@10.0.0.5:5060</url>
    <bind-url>sip:mod_sofia@10.0.0.5:5060;transport=udp,tcp</bind-url>
    <tls-bind-url>sips:mod_sofia@10.0.0.5:5061;transport=tls</tls-bind-url>`;
    expect(ownAddresses(xml)).toEqual(['10.0.0.5:5060', '10.0.0.5:5061']);
  });
});

const AOR = '1001@example.com' as Aor;
const row = (o: Partial<Row> & { token?: string }): Row => ({
  profile: 'internal',
  callId: 'call-1',
  user: AOR,
  contact: `"" <sip:1001@10.0.0.1;pn-provider=fcm;pn-param=p;pn-prid=${o.token ?? 'A'}>`,
  dropsEpochMs: 1_000_000,
  ...o,
});
const URI = 'sip:1001@10.0.0.1;pn-provider=fcm;pn-param=p;pn-prid=A';

describe('contacts held', () => {
  it('end when their registration ends, not when FreeSWITCH drops them', () => {
    const [held] = heldOf('office', [row({})], 60_000, instant);
    expect(held?.contact).toEqual({ pbx: 'office', aor: AOR, uri: URI, expiresAt: 940_000 });
  });

  it('that differ only in the way back are one phone: the youngest row counts', () => {
    const nat = (port: number, dropsEpochMs: number) =>
      row({ contact: `"" <${URI};fs_nat=yes;fs_path=sip%3A1001%40192.0.2.1%3A${port}>`, dropsEpochMs });
    const held = heldOf('office', [nat(1, 5_000), nat(3, 9_000), nat(2, 7_000)], 0, instant);
    expect(held.map((h) => h.contact.path)).toEqual(['sip:1001@192.0.2.1:3']);
  });
});

describe('what may be flushed', () => {
  const ok = (rows: readonly Row[]) => flushable(AOR, URI, rows);

  it('the row of this contact alone', () => {
    const other = row({ callId: 'call-2', token: 'B' });
    expect(ok([row({}), other])).toMatchObject({ ok: true, rows: [{ callId: 'call-1' }] });
  });

  it('an older row of the same phone goes with it', () => {
    expect(ok([row({}), row({ token: 'OLD', dropsEpochMs: 1 })])).toMatchObject({ ok: true });
  });

  it('not when a younger contact of the phone has the same Call-ID', () => {
    expect(ok([row({}), row({ token: 'NEW', dropsEpochMs: 2_000_000 })])).toMatchObject({ ok: false });
  });

  it('not when another account has the same Call-ID', () => {
    const other = row({ user: '1002@example.com', token: 'C', dropsEpochMs: 1 });
    expect(ok([row({}), other])).toMatchObject({ ok: false });
  });

  it.each(['', 'a b', "a'b", 'a"b', 'a\\b', 'reboot', 'a\nb', 'a,b'])('not by the Call-ID %j', (callId) => {
    expect(isSafeCallId(callId)).toBe(false);
    expect(ok([row({ callId })])).toMatchObject({ ok: false });
  });

  it('nothing, when nothing has this URI', () => expect(ok([row({ token: 'B' })])).toEqual({ ok: true, rows: [] }));
});
