/**
 * A push provider whose answers are written by the test: by the token's name (`tok-dead` is dead, `tok-later-3s` asks for
 * three seconds), or one by one with `next`. Records every request.
 */
import type { Target, Targets } from '../../plugin/core/binding.ts';
import { SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushOutcome, PushProvider, PushPurpose, PushRequest } from '../../plugin/ports/push-provider.ts';

export type Scripted =
  | PushOutcome
  | 'hang'
  | 'throw'
  /** Hangs and does not listen to its signal. */
  | 'deaf'
  | Promise<PushOutcome>;

export const HEALTHY = 'tok-healthy';

const BY_TOKEN: { readonly [token: string]: Scripted } = {
  'tok-dead': { kind: 'tokenDead', reason: 'Unregistered' },
  'tok-failed': { kind: 'failed', reason: 'BadDeviceToken' },
  'tok-misconfigured': { kind: 'misconfigured', reason: 'InvalidProviderToken', hint: 'check the key' },
  'tok-hang': 'hang',
  'tok-throw': 'throw',
  'tok-deaf': 'deaf',
};

export class ScriptedPushProvider implements PushProvider {
  readonly name: string;
  maxInFlight = 100;
  readonly requests: PushRequest[] = [];
  closed = 0;
  /** Every push is answered so while it is set, after those of `next`. */
  answersAll: Scripted | undefined;
  #script: Scripted[] = [];

  constructor(name = 'scripted') {
    this.name = name;
  }

  /** The next `count` pushes are answered so, whatever their token. */
  next(answer: Scripted, count = 1): void {
    for (let i = 0; i < count; i++) this.#script.push(answer);
  }

  target(token: string = HEALTHY, app = 'com.example.phone'): Target {
    return { provider: this.name, app, token: new Token(token) };
  }

  /** As an iOS app has them: a VoIP token and another one. */
  targets(token: string = HEALTHY): Targets {
    return { call: this.target(token), other: this.target(`${token}-other`) };
  }

  targetFor(purpose: PushPurpose, { call, other }: Targets): Target | undefined {
    return purpose === 'call' ? (call ?? other) : other;
  }

  async send(request: PushRequest, signal: AbortSignal): Promise<PushOutcome> {
    this.requests.push(request);
    const answer = this.#script.shift() ?? this.answersAll ?? answerOf(request.target.token.reveal());
    if (answer === 'throw') throw new Error(`boom ${request.target.token.reveal()}`);
    if (answer !== 'hang' && answer !== 'deaf') return answer;
    return new Promise((done) => {
      if (answer === 'deaf') return;
      signal.addEventListener('abort', () => done({ kind: 'retryLater', reason: 'aborted' }), { once: true });
    });
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

function answerOf(token: string): Scripted {
  const name = token.replace(/-other$/, '');
  const later = /^tok-later(?:-(\d+)s)?$/.exec(name);
  if (later) {
    const afterMs = later[1] === undefined ? {} : { afterMs: Number(later[1]) * SECOND };
    return { kind: 'retryLater', reason: 'ServiceUnavailable', ...afterMs };
  }
  return BY_TOKEN[name] ?? { kind: 'accepted', id: 'id-1' };
}
