/**
 * What goes to a webhook for each purpose. Pure. The object `pushwake` is the one of every service (`docs/app-payloads.md`):
 * hand it on to the app as it is. `target` says where to.
 */
import type { PushRequest } from '../../../plugin/ports/push-provider.ts';
import { cutToFit } from '../cut-to-fit.ts';
import { fieldsOf, wordsOf } from '../waiting.ts';

/** What most push services bear; what is behind the webhook may bear less. */
export const LIMIT_BYTES = 4_096;

type Body = Readonly<Record<string, unknown>>;

/** JSON text. Undefined when it cannot be brought under the limit, even with every text cut that may be cut. */
export function buildBody(request: PushRequest): string | undefined {
  const { aor } = request;
  switch (request.purpose) {
    case 'call': {
      const { callId, caller, callKey } = request;
      return cutToFit<string>(
        (name, number) => {
          const shown = name || number ? { caller: { ...(name && { name }), ...(number && { number }) } } : {};
          return render(request, 'high', { callId, aor, ...(callKey && { callKey }), ...shown });
        },
        fits,
        caller?.name,
        caller?.number,
      );
    }
    case 'cancel':
      return onlyIfItFits(render(request, 'high', { callId: request.callId, aor, ended: request.word }));
    case 'refresh':
      return onlyIfItFits(render(request, request.urgent ? 'high' : 'normal', { aor }));
    case 'notice':
      return cutToFit<string>(
        (text, title) =>
          render(
            request,
            'high',
            { aor, notice: request.notice },
            { ...(title && { title }), ...(text && { body: text }) },
          ),
        fits,
        request.body,
        request.title,
      );
    case 'missed': {
      const { callId, count, caller } = request;
      return cutToFit<string>(
        (name, number) => {
          const from = name || number;
          const shown = from ? { caller: { ...(name && { name }), ...(number && { number }) } } : {};
          const what = { callId, aor, count, ...shown };
          return render(request, 'high', what, { ...(from && { title: from }), body: request.body });
        },
        fits,
        caller?.name,
        caller?.number,
      );
    }
    case 'message':
    case 'voicemail': {
      const what = fieldsOf(request);
      const words = wordsOf(request);
      const urgency = words ? 'high' : 'normal';
      return cutToFit<string>(
        (text, title) => render(request, urgency, what, text ? { ...(title && { title }), body: text } : undefined),
        fits,
        words?.body,
        words?.title,
      );
    }
    case 'custom': {
      const { data, urgent } = request;
      const what = { aor, ...(data && { data }) };
      return cutToFit<string>(
        (text, title) =>
          render(request, urgent ? 'high' : 'normal', what, text ? { ...(title && { title }), body: text } : undefined),
        fits,
        request.body,
        request.title,
      );
    }
  }
}

function render(request: PushRequest, urgency: 'high' | 'normal', what: Body, shown?: Body): string {
  const { purpose, pushId, sentAt, expiresAt, collapseId, via, target } = request;
  const { token, ...to } = target;
  return JSON.stringify({
    target: { ...to, token: token.reveal(), via: via ?? (purpose === 'call' ? 'call' : 'other') },
    urgency,
    ...(collapseId !== undefined && { collapseId }),
    ...(shown && { notification: shown }),
    pushwake: { v: 1, type: purpose, pushId, ...what, sentAt, expiresAt },
  });
}

function onlyIfItFits(body: string): string | undefined {
  return fits(body) ? body : undefined;
}

function fits(body: string): boolean {
  return Buffer.byteLength(body) <= LIMIT_BYTES;
}
