import { describe, expect, it } from 'vitest';
import { create } from '../../adapters/push/log/index.ts';
import { VERDICTS } from '../../adapters/push/log/outcome.ts';
import { Token } from '../../plugin/core/token.ts';
import { everyPurpose, pushProviderContract, requestFor } from '../contract/push-provider.contract.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

function start(level?: 'debug') {
  const log = new RecordedLog();
  const provider = create(level ? { level } : {}, { clock: new FakeClock(), log, name: 'log' });
  const target = (token: string) => ({ provider: 'log', app: 'com.example.phone', token: new Token(token) });
  return { log, provider, targets: { call: target('secret-voip-token'), other: target('secret-other-token') } };
}

pushProviderContract('log', {
  verdicts: VERDICTS,
  limitBytes: everyPurpose(0),
  async start() {
    const { log, provider, targets } = start();
    return {
      log,
      provider,
      targets,
      // It has one answer, and gives it to everything.
      provoke: () => true,
      hang: () => false,
      received: async () => {},
      bodies: () => [],
      stop: () => provider.close(),
    };
  },
});

describe('the log provider', () => {
  it('shows what it would have sent, by fingerprint, without texts and callers', async () => {
    const { log, provider, targets } = start();
    const texts = { name: 'Alice', title: 'the title', body: 'the body' };
    for (const purpose of ['call', 'notice'] as const) {
      const request = requestFor(provider, purpose, targets, texts);
      if (request) await provider.send(request, new AbortController().signal);
    }
    expect(log.at('info').map(({ fields }) => fields)).toMatchObject([
      {
        provider: 'log',
        purpose: 'call',
        token: targets.call.token.fingerprint,
        callerShown: true,
        expiresInMs: 60_000,
      },
      { provider: 'log', purpose: 'notice', token: targets.other.token.fingerprint, notice: 'soon' },
    ]);
    expect(log.text()).not.toMatch(/Alice|the title|the body|secret/);
  });

  it('takes its level from the options, and no option it does not know', async () => {
    const { log, provider, targets } = start('debug');
    const request = requestFor(provider, 'call', targets);
    if (request) await provider.send(request, new AbortController().signal);
    expect(log.at('debug')).toHaveLength(1);
    expect(() => create({ levle: 'info' }, { clock: new FakeClock(), log, name: 'log' })).toThrow(/levle/);
  });
});
