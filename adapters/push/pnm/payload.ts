/**
 * What goes to Acrobits for each purpose (PNM2). Pure. Form: doc.acrobits.net, "HTTP push API". `Id` pairs the push with the
 * INVITE: the app looks for the same text in its header `X-Push-ID`.
 */
import type { PushRequest } from '../../../plugin/ports/push-provider.ts';
import { cutToFit } from '../cut-to-fit.ts';
import { callerOf, wordsOf } from '../waiting.ts';

export interface PnmMessage {
  readonly verb:
    | 'NotifyIncomingCall'
    | 'NotifyIncomingCallMissed'
    | 'NotifyIncomingCallAnsweredElsewhere'
    | 'NotifyTextMessage'
    | 'NotifyGenericTextMessage';
  readonly AppId: string;
  readonly DeviceToken: string;
  /** Which account on the device. Every verb but the generic text needs it. */
  readonly Selector?: string;
  readonly Id?: string;
  readonly UserDisplayName?: string | undefined;
  readonly UserName?: string | undefined;
  readonly Message?: string;
}

/** Acrobits names no limit. What it sends on goes through Apple's, which is this for all but calls. */
export const LIMIT_BYTES = 4_096;

/**
 * The JSON text of a `PnmMessage`. Undefined: it cannot be sent. There is no silent push that asks the app to register, and what is still too large with
 * every text cut that may be cut is not sent either.
 */
export function buildMessage(request: PushRequest, { callerFields }: { callerFields: boolean }): string | undefined {
  const { app, token, selector } = request.target;
  const to = { AppId: app, DeviceToken: token.reveal() };
  switch (request.purpose) {
    case 'call': {
      if (selector === undefined) return undefined;
      const caller = callerFields ? request.caller : undefined;
      return cutToFit<string>(
        // One literal: what is undefined is left out of the JSON.
        (name, number) =>
          textOf({
            verb: 'NotifyIncomingCall',
            AppId: app,
            DeviceToken: to.DeviceToken,
            Selector: selector,
            Id: request.callId,
            UserDisplayName: name || undefined,
            UserName: number || undefined,
          }),
        fits,
        caller?.name,
        caller?.number,
      );
    }
    case 'cancel': {
      if (selector === undefined) return undefined;
      // A caller who hung up and a phone that was not reached in time leave the same: a missed call.
      const elsewhere = request.word === 'elsewhere';
      const verb = elsewhere ? 'NotifyIncomingCallAnsweredElsewhere' : 'NotifyIncomingCallMissed';
      const text = textOf({ verb, ...to, Selector: selector, Id: request.callId });
      return fits(text) ? text : undefined;
    }
    case 'refresh':
      return undefined;
    case 'notice':
      return cutToFit<string>(
        (text) => textOf({ verb: 'NotifyGenericTextMessage', ...to, ...(text && { Message: text }) }),
        fits,
        request.title === undefined ? request.body : `${request.title}: ${request.body}`,
      );
    case 'missed': {
      if (selector === undefined) return undefined;
      // The app counts for itself: it is the last call that is meant, by the id of its own call push.
      const text = textOf({ verb: 'NotifyIncomingCallMissed', ...to, Selector: selector, Id: request.callId });
      return fits(text) ? text : undefined;
    }
    case 'message': {
      if (selector === undefined) return undefined;
      const caller = callerFields ? callerOf(request) : undefined;
      return cutToFit<string>(
        (text, name) =>
          textOf({
            verb: 'NotifyTextMessage',
            ...to,
            Selector: selector,
            Id: request.pushId,
            ...(name && { UserDisplayName: name }),
            ...(caller?.number && { UserName: caller.number }),
            ...(text && { Message: text }),
          }),
        fits,
        request.text ?? request.body,
        caller?.name,
      );
    }
    case 'voicemail': {
      // No verb speaks of voice messages, and none is silent.
      const words = wordsOf(request);
      if (words === undefined) return undefined;
      return cutToFit<string>(
        (text) => textOf({ verb: 'NotifyGenericTextMessage', ...to, ...(text && { Message: text }) }),
        fits,
        words.title === undefined || !callerFields ? words.body : `${words.body} (${words.title})`,
      );
    }
    case 'custom': {
      // Only a text: Acrobits has no place for data, and no silent push.
      const { body, title } = request;
      if (body === undefined) return undefined;
      return cutToFit<string>(
        (text) => textOf({ verb: 'NotifyGenericTextMessage', ...to, ...(text && { Message: text }) }),
        fits,
        title === undefined ? body : `${title}: ${body}`,
      );
    }
  }
}

function textOf(message: PnmMessage): string {
  return JSON.stringify(message);
}

function fits(text: string): boolean {
  return Buffer.byteLength(text) <= LIMIT_BYTES;
}
