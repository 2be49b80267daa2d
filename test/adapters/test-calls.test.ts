/** The calls that `pushwake app-test` places: what each PBX is told, and that one test never touches calls of anybody else. */
import { describe, expect, it } from 'vitest';
import { TestCalls as OnAsterisk } from '../../adapters/pbx/asterisk/test-calls.ts';
import { TestCalls as OnFreeswitch } from '../../adapters/pbx/freeswitch/calls/test-calls.ts';
import type { Aor } from '../../plugin/core/aor.ts';

const AOR = '1001@example.com' as Aor;
const CALL = { id: '0123456789abcdef', aor: AOR, caller: { name: 'pushwake test 2', number: 'test2' }, ringMs: 60_000 };

/** A PBX that takes every command and holds these channels. */
function pbx(channels: unknown = []) {
  const asked: { readonly operation: string; readonly args: Record<string, unknown> }[] = [];
  const ask = async <T>(operation: string, args: unknown): Promise<T> => {
    asked.push({ operation, args: args as Record<string, unknown> });
    return channels as T;
  };
  return { asked, ask };
}

describe('on FreeSWITCH', () => {
  /** The `{…}` of an originate, by name. */
  const variablesOf = (command: string): Readonly<Record<string, string>> => {
    const [, list = ''] = /^originate \{([^}]*)\}/.exec(command) ?? [];
    return Object.fromEntries(list.split(',').map((pair) => pair.split(/=(.*)/).slice(0, 2)));
  };
  const placed = async () => {
    const { asked, ask } = pbx();
    const uuid = await new OnFreeswitch('pushwake', ask).place(CALL);
    return { uuid, command: String(asked[0]?.args.command) };
  };

  it('offers the phone the codecs of its profile, not the linear sound of its own channel alone', async () => {
    const { command } = await placed();
    const variables = variablesOf(command);
    // FreeSWITCH asks the new leg for it, which has of the test's channel only what is exported.
    expect(variables.media_mix_inbound_outbound_codecs).toBe('true');
    expect(variables.export_vars?.split(',')).toContain('media_mix_inbound_outbound_codecs');
  });

  it('goes into the shipped dialplan, and ends by itself when nobody ends it', async () => {
    const { uuid, command } = await placed();
    expect(command).toMatch(/\}null\/app-test 1001@example\.com XML pushwake$/);
    expect(variablesOf(command)).toMatchObject({
      origination_uuid: uuid,
      call_timeout: '60',
      execute_on_originate: "'sched_hangup +120'",
      origination_callee_id_name: "'pushwake test 2'",
      origination_callee_id_number: 'test2',
    });
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it.each(['10 01@example.com', '1001,x=1@example.com', '1001}@example.com', '1001@example.com XML other', '&park()'])(
    'does not dial %j',
    async (aor) => {
      const { asked, ask } = pbx();
      await expect(new OnFreeswitch('pushwake', ask).place({ ...CALL, aor: aor as Aor })).rejects.toThrow(/dialled/);
      expect(asked).toEqual([]);
    },
  );

  it('ends a call as a fork ends the leg that lost, or as its caller who has gone', async () => {
    const { asked, ask } = pbx();
    const calls = new OnFreeswitch('pushwake', ask);
    const uuid = await calls.place(CALL);
    await calls.end(CALL.id, 'elsewhere');
    await calls.end(CALL.id, 'cancelled');
    expect(asked.slice(1).map(({ args }) => args)).toEqual([
      { uuid, cause: 'LOSE_RACE' },
      { uuid, cause: 'ORIGINATOR_CANCEL' },
    ]);
  });

  it('ends what a test of its own node has left, and nothing else', async () => {
    const [mine, other] = [pbx(), pbx()];
    const ours = await new OnFreeswitch('pushwake', mine.ask).place(CALL);
    const theirs = await new OnFreeswitch('pushwake-b', other.ask).place(CALL);
    const rows = [{ uuid: theirs }, { uuid: '5a2b1c0d-1111-4222-8333-444455556666' }, {}, { uuid: ours }];
    const { asked, ask } = pbx({ rows });
    await new OnFreeswitch('pushwake', ask).endLeftOvers();
    expect(asked.filter((a) => a.operation === 'kill').map(({ args }) => args.uuid)).toEqual([ours]);
  });
});

describe('on Asterisk', () => {
  it('goes into the shipped dialplan, and ends by itself when nobody ends it', async () => {
    const { asked, ask } = pbx();
    expect(await new OnAsterisk('pushwake', ask).place(CALL, '1001')).toBe(asked[0]?.args.channelId);
    expect(asked[0]).toMatchObject({
      operation: 'originate',
      args: {
        endpoint: 'Local/1001@pushwake/n',
        seconds: 60,
        callerId: '"pushwake test 2" <test2>',
        variables: { 'TIMEOUT(absolute)': '120' },
      },
    });
  });

  it.each(['1001@other', '1001/n', '1001,x', '10 01', ''])('does not dial %j', async (endpoint) => {
    const { asked, ask } = pbx();
    const placed = async () => new OnAsterisk('pushwake', ask).place(CALL, endpoint);
    await expect(placed()).rejects.toThrow(/dialled/);
    expect(asked).toEqual([]);
  });

  it('ends its own channel and the phone that took its place, and nobody else’s', async () => {
    const waits = (id: string, data: string) => ({ id, dialplan: { app_name: 'Stasis', app_data: data } });
    const phones = [waits('phone-1', `pushwake,test,${CALL.id}`), waits('phone-2', 'pushwake,test,another'), {}];
    const { asked, ask } = pbx(phones);
    await new OnAsterisk('pushwake', ask).end(CALL.id, 'elsewhere');
    expect(asked.filter((a) => a.operation === 'hangup').map(({ args }) => args)).toEqual([
      { channelId: `app-test-pushwake-${CALL.id}`, cause: 26 },
      { channelId: 'phone-1', cause: 26 },
    ]);
  });

  it('ends what a test of its own node has left, and nothing else', () => {
    const { asked, ask } = pbx();
    new OnAsterisk('pushwake', ask).endLeftOvers([
      { id: 'app-test-pushwake-1' },
      { id: 'app-test-pushwake-1;2' },
      { id: 'app-test-pushwake-b-1', dialplan: { app_name: 'Stasis', app_data: 'pushwake-b,test,1' } },
      { id: '1764400000.1', dialplan: { app_name: 'Dial', app_data: 'PJSIP/1001' } },
      { id: '1764400000.2', dialplan: { app_name: 'Stasis', app_data: 'pushwake,test,2' } },
    ]);
    expect(asked.map(({ args }) => args.channelId)).toEqual(['app-test-pushwake-1', '1764400000.2']);
  });
});
