/** Pushes about something that waits for the user, texts and voice messages: what is shown, the same for every service. Pure. */
import { LONGEST_CALLER, shortened } from '../../plugin/core/detached.ts';
import type { MessagePush, ShownCaller, VoicemailPush } from '../../plugin/ports/push-provider.ts';

export type WaitingPush = MessagePush | VoicemailPush;

export interface Words {
  readonly body: string;
  /** Who sent it, where that may be shown. */
  readonly title?: string;
  /** The body is the text itself, so that an app with texts of its own shows it as well. */
  readonly isText: boolean;
}

/** Undefined: nothing is shown. */
export function wordsOf(request: WaitingPush): Words | undefined {
  const text = request.purpose === 'message' ? request.text : undefined;
  const body = text ?? request.body;
  const { name, number } = callerOf(request);
  const title = name || number;
  return body === undefined ? undefined : { body, isText: text !== undefined, ...(title ? { title } : {}) };
}

/** Short enough to leave room for the words: of these only the body is cut to fit. */
export function callerOf({ caller }: WaitingPush): ShownCaller {
  const [name, number] = [caller?.name, caller?.number].map((text) =>
    shortened((text ?? '').toWellFormed(), LONGEST_CALLER),
  );
  return { ...(name && { name }), ...(number && { number }) };
}

/** The fields of the object `pushwake`, for services that carry JSON. */
export function fieldsOf(request: WaitingPush): Readonly<Record<string, unknown>> {
  const caller = callerOf(request);
  const { aor, count } = request;
  return { aor, count, ...(Object.keys(caller).length > 0 && { caller }) };
}
