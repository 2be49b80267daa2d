/** What FreeSWITCH's event about a call says of what the dialplan would dial, and what may be handed back. */
import { describe, expect, it } from 'vitest';
import { callOf } from '../../adapters/pbx/freeswitch/translate.ts';

const AOR = '1001@example.com';
const event = (variables: Readonly<Record<string, string>>) => ({
  'Event-Name': 'CUSTOM',
  'Unique-ID': 'c-1',
  variable_pushwake_aor: AOR,
  ...variables,
});

describe('what the dialplan would dial', () => {
  it.each([
    ['the user alone', `user/${AOR}`, '', `user/${AOR}`],
    [
      'with others',
      `[leg_timeout=9]user/${AOR},user/1002@example.com`,
      '',
      `[leg_timeout=9]user/${AOR},user/1002@example.com`,
    ],
    ['and what was put beside', `user/${AOR}`, ',user/1002@example.com', `user/${AOR},user/1002@example.com`],
    ['the user alone, with an escape: the user', `{a=b\\,c}user/${AOR}`, '', `user/${AOR}`],
    // What cannot be handed back in a command would be lost for the others, who would have rung without us.
    ['others besides, with an escape: nothing', `[a=b\\,c]user/${AOR},user/1002@example.com`, '', undefined],
    [
      'others one after the other, to be expanded once more: nothing',
      `user/${AOR}|[a=\${b}]user/1002@example.com`,
      '',
      undefined,
    ],
    ['several dial strings, too long: nothing', `user/${AOR}:_:${'x'.repeat(40_000)}`, '', undefined],
  ] as const)('%s', (_what, dial, and, expected) => {
    expect(callOf(event({ variable_pushwake_dial: dial, variable_pushwake_and: and }))?.dial).toBe(expected);
  });
});

it.each([
  ['absent, as in an older dialplan', undefined, 'pushwake'],
  ['of FusionPBX', 'pushwake@fusionpbx', 'pushwake@fusionpbx'],
  ['that could end a command', "x' &park()", 'pushwake'],
] as const)('the context of our extensions: %s', (_what, context, expected) => {
  expect(callOf(event(context === undefined ? {} : { variable_pushwake_context: context }))?.context).toBe(expected);
});
