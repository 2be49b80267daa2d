/** A phone that a call waits for is told before its contact is read, and the reading does not stand before the order to ring it. */
import { expect, it } from 'vitest';
import type { Rest, RestRequest } from '../../adapters/pbx/asterisk/rest.ts';
import { AriSession } from '../../adapters/pbx/asterisk/session.ts';
import { translate } from '../../adapters/pbx/asterisk/translate.ts';

const URI = 'sip:1001@192.0.2.1:5060';
const shown = (aor: string, contact_status: string) => ({
  type: 'ContactStatusChange',
  timestamp: '2026-11-30T04:00:00.000+0000',
  contact_info: { aor, uri: URI, contact_status },
});

function session() {
  const asked: string[] = [];
  const rest: Rest = {
    keepsOrder: true,
    ask: async ({ method, path }: RestRequest) => {
      asked.push(`${method} ${path.split('/').slice(0, 2).join('/')}`);
      return { status: 200, body: [] };
    },
  };
  const waited: (() => void)[] = [];
  const ari = new AriSession(
    'pushwake',
    { rest, calmRest: rest },
    {
      tell: () => undefined,
      failed: () => undefined,
      every: () => () => undefined,
      after: (ms) => {
        asked.push(`wait ${ms} ms`);
        return new Promise((resolve) => void waited.push(resolve));
      },
    },
  );
  return { ari, asked, waited };
}

it('a contact that nobody waits for is read at once', async () => {
  const { ari, asked } = session();
  const event = shown('1001', 'NonQualified');
  const told: unknown[] = [];
  await ari.hear(event, (fields) => told.push(fields.type));
  expect(told).toEqual(['ContactStatusChange']);
  expect(asked).toEqual(['GET asterisk/config']);
});

it.each(['NonQualified', 'Created'])(
  'one that a leg waits for (%s) is told, and read a moment later',
  async (status) => {
    const { ari, asked, waited } = session();
    await ari.run('follow', { channelId: 'leg', expects: '1001' });
    const event = shown('1001', status);
    asked.length = 0;
    const told: unknown[] = [];
    const hearing = ari.hear(event, (fields) => told.push(translate(fields)));
    expect(told).toEqual([{ fact: 'contactComing', aorId: '1001', uri: URI, atEpochMs: Date.UTC(2026, 10, 30, 4) }]);
    await ari.run('goOn', { channelId: 'leg', variables: {} });
    waited[0]?.();
    await hearing;
    expect(told[1]).toMatchObject({ fact: 'contactNew', uri: URI });
    expect(asked).toEqual(['wait 5 ms', 'POST channels/leg', 'GET asterisk/config']);
  },
);

it('what is removed while it is read is told behind it', async () => {
  const { ari, waited } = session();
  await ari.run('follow', { channelId: 'leg', expects: '1001' });
  const told: unknown[] = [];
  const all = ['NonQualified', 'Removed'].map((status) =>
    ari.hear(shown('1001', status), (fields) => told.push(translate(fields)?.fact)),
  );
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(told).toEqual(['contactComing']);
  waited[0]?.();
  await Promise.all(all);
  expect(told).toEqual(['contactComing', 'contactNew', 'contactRemoved']);
});

it.each(['Removed', 'Reachable', 'Unreachable'])('a contact that is %s is no phone that has come', async (status) => {
  const { ari } = session();
  await ari.run('follow', { channelId: 'leg', expects: '1001' });
  const told: unknown[] = [];
  await ari.hear(shown('1001', status), (fields) => told.push(fields.type));
  expect(told).toEqual(['ContactStatusChange']);
});

it('neither is one of another account, nor one whose leg has ended', async () => {
  const { ari } = session();
  await ari.run('follow', { channelId: 'leg', expects: '1001' });
  const told: unknown[] = [];
  const tell = (fields: { readonly type?: unknown }) => told.push(fields.type);
  await ari.hear(shown('1002', 'NonQualified'), tell);
  void ari.hear({ type: 'ChannelDestroyed', channel: { id: 'leg' } }, tell);
  await ari.hear(shown('1001', 'NonQualified'), tell);
  expect(told).toEqual(['ContactStatusChange', 'ChannelDestroyed', 'ContactStatusChange']);
});
