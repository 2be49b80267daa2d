/** What each push service's own code makes of a push; undefined: nothing. */
import { buildMessage as buildApns } from '../../adapters/push/apns/payload.ts';
import { buildMessage as buildFcm } from '../../adapters/push/fcm/payload.ts';
import { buildMessage as buildPnm } from '../../adapters/push/pnm/payload.ts';
import { buildBody as buildWebhook } from '../../adapters/push/webhook/payload.ts';
import { buildMessage as buildWebPush } from '../../adapters/push/webpush/payload.ts';
import type { PushRequest } from '../../plugin/ports/push-provider.ts';
import { NOON } from './fake-clock.ts';

const profile = { kind: 'auto' } as const;

export const SERVICE_PAYLOADS: Readonly<Record<string, (request: PushRequest) => unknown>> = {
  apns: (r) => buildApns(r, { bundleId: 'com.example.phone', incomingCallText: 'x', profile, texts: 'pushwake' }),
  fcm: (r) => buildFcm(r, { profile, texts: 'pushwake' }, NOON),
  webpush: (r) => buildWebPush(r, NOON),
  pnm: (r) => buildPnm({ ...r, target: { ...r.target, selector: 'SEL:1' } }, { callerFields: true }),
  webhook: (r) => buildWebhook(r),
};
