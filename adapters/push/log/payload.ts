/** The part of a push that the log shows: enough to follow it, nothing that could wake the phone or reveal the caller. Pure. */
import type { PushRequest } from '../../../plugin/ports/push-provider.ts';

export function fieldsOf(request: PushRequest): Record<string, unknown> {
  const { purpose, target, aor, pushId, collapseId, sentAt, expiresAt } = request;
  return {
    purpose,
    app: target.app,
    token: target.token.fingerprint,
    aor,
    pushId,
    ...(collapseId !== undefined && { collapseId }),
    ...('callId' in request && { callId: request.callId }),
    ...(purpose === 'cancel' && { word: request.word }),
    ...(purpose === 'notice' && { notice: request.notice }),
    ...('count' in request && { count: request.count }),
    ...(purpose === 'call' && { callerShown: request.caller !== undefined }),
    expiresInMs: expiresAt - sentAt,
  };
}
