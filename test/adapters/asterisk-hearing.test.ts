/** Contacts that are found by looking while Asterisk says nothing of any. */
import { describe, expect, it } from 'vitest';
import { contactsAppOf, hearContacts } from '../../adapters/pbx/asterisk/contact-events.ts';
import { Hearing } from '../../adapters/pbx/asterisk/hearing.ts';
import { MONDAY } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('whether Asterisk still says which contacts are new', () => {
  const cases: [what: string, happens: (h: Hearing, clock: FakeClock) => Promise<void>, silent: number][] = [
    [
      'three found, none told',
      async (h, clock) => {
        for (let i = 0; i < 5; i++) h.found();
        await clock.advance(5_000);
      },
      1,
    ],
    [
      'two found: they may have come while the link did',
      async (h, clock) => {
        h.found();
        h.found();
        await clock.advance(60_000);
      },
      0,
    ],
    [
      'told a moment after it was found',
      async (h, clock) => {
        for (let i = 0; i < 3; i++) h.found();
        await clock.advance(4_000);
        h.told();
        await clock.advance(60_000);
      },
      0,
    ],
    [
      'one was told before: what is found since is only faster',
      async (h, clock) => {
        h.told();
        for (let i = 0; i < 9; i++) h.found();
        await clock.advance(60_000);
      },
      0,
    ],
    [
      'a new link begins anew',
      async (h, clock) => {
        for (let i = 0; i < 3; i++) h.found();
        h.begin();
        await clock.advance(60_000);
      },
      0,
    ],
  ];

  it.each(cases)('%s', async (_what, happens, expected) => {
    const clock = new FakeClock(MONDAY);
    let silent = 0;
    await happens(new Hearing(clock, () => silent++), clock);
    expect(silent).toBe(expected);
  });
});

describe('how it is asked', () => {
  /** An Asterisk that knows its applications, and what was asked of it. */
  function asterisk(o: { knowsAll?: boolean; bridges?: boolean; leftByOlder?: number; events?: boolean } = {}) {
    const asked: string[] = [];
    let left = o.leftByOlder ?? 0;
    const ask = async (
      r: { method: string; path: string; query?: Readonly<Record<string, string>> },
      fine: readonly number[] = [],
    ) => {
      const text = `${r.method} ${r.path} ${r.query?.eventSource ?? ''}`.trim();
      asked.push(text);
      const no = (status: number) => {
        if (!fine.includes(status)) throw new Error(`${text}: ${status}`);
        return { ok: false, body: undefined };
      };
      if (r.method === 'DELETE' && r.query?.eventSource === 'endpoint:PJSIP')
        return left-- > 0 ? { ok: true, body: {} } : no(422);
      if (r.method === 'DELETE' && o.knowsAll === false) return no(422);
      if (r.path.startsWith('bridges') && o.bridges === false) return no(500);
      return { ok: true, body: { bridge_ids: o.events ? ['pw-contacts'] : [], events_allowed: o.events ? [{}] : [] } };
    };
    return { asking: { ask, keepsOrder: true }, asked };
  }

  it('subscribes once, takes it back, and sets the filter last', async () => {
    const { asking, asked } = asterisk();
    expect(await hearContacts(asking, 'pw')).toEqual({ texts: 'quiet' });
    expect(contactsAppOf('pw')).toBe('pw-contacts');
    expect(asked).toEqual([
      'DELETE applications/pw/subscription endpoint:PJSIP',
      'GET applications/pw-contacts',
      'POST bridges/pw-contacts',
      'POST applications/pw-contacts/subscription bridge:pw-contacts',
      'POST applications/pw-contacts/subscription endpoint:',
      'DELETE applications/pw-contacts/subscription endpoint:__AST_ENDPOINT_ALL_TOPIC',
      'PUT applications/pw-contacts/eventFilter',
    ]);
  });

  it('an application that is still there is not subscribed twice: everything would be told twice', async () => {
    const { asking, asked } = asterisk({ events: true });
    expect(await hearContacts(asking, 'pw')).toEqual({ texts: 'quiet' });
    expect(asked.filter((a) => a.includes('endpoint:') && !a.includes('PJSIP'))).toEqual([]);
  });

  it('takes back each subscription that an earlier version made', async () => {
    const { asking, asked } = asterisk({ leftByOlder: 7 });
    await hearContacts(asking, 'pw');
    expect(asked.filter((a) => a.startsWith('DELETE applications/pw/'))).toHaveLength(8);
  });

  it.each<[string, { knowsAll?: boolean; bridges?: boolean }]>([
    ['no bridge can be made', { bridges: false }],
    ['the name of all endpoints is another', { knowsAll: false }],
  ])('%s: contacts are heard all the same, and the texts are said to be taken', async (_what, o) => {
    const { asking, asked } = asterisk(o);
    expect(await hearContacts(asking, 'pw')).toMatchObject({ texts: 'taken' });
    const subscribed =
      o.bridges === false
        ? 'POST applications/pw/subscription endpoint:PJSIP'
        : 'POST applications/pw-contacts/subscription endpoint:';
    expect(asked).toContain(subscribed);
  });
});
