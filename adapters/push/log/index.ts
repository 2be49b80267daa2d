/**
 * Sends nothing, logs what it would have sent. For trying a configuration, and the shortest example of a provider.
 * Configured under the name of a real service (`apns`, `fcm`) it takes that service's place.
 */
import { z } from 'zod';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { PushProvider } from '../../../plugin/ports/push-provider.ts';
import { outcomeOf } from './outcome.ts';
import { fieldsOf } from './payload.ts';

export const optionsSchema = z.strictObject({
  level: z.enum(['debug', 'info']).default('info').describe('Log level of the lines.'),
});

export function create(input: unknown, { log, name }: AdapterDeps): PushProvider {
  const { level } = optionsSchema.parse(input);
  let closed = false;
  return {
    name,
    targetFor(purpose, { call, other }) {
      const ours = [call, other].filter((target) => target?.provider === name);
      // As on iOS: what is only good for calls gets nothing else.
      return purpose === 'call' ? ours[0] : ours.find((target) => target === other);
    },
    async send(request, signal) {
      if (closed) return { kind: 'failed', reason: 'closed' };
      if (!signal.aborted) log[level]({ provider: name, ...fieldsOf(request) }, 'push not sent, only logged');
      return outcomeOf({ aborted: signal.aborted });
    },
    async close() {
      closed = true;
    },
  };
}
