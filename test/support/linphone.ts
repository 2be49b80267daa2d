/**
 * What Linphone's library does with a push and with the INVITE that follows, as far as pairing goes: iOS shows a call by CallKit at
 * once, under the id that stands in `aps`; Android looks into `data`, and an app that the push started leaves a push without an id
 * unread. By the source of liblinphone of 2025; names, not code.
 */

import type { FcmStandIn, TestProject } from './fcm-stand-in/index.ts';
import type { SipPhone } from './sip-phone/index.ts';

/** iOS. Each screen is one call that CallKit shows. */
export class LinphoneOnIos {
  readonly #shown = new Map<string, 'pushed' | 'invited'>();
  #unnamed = 0;

  /** The JSON text of a VoIP push. */
  pushed(json: string): void {
    const { aps } = JSON.parse(json) as { aps?: { 'call-id'?: unknown } };
    const id = typeof aps?.['call-id'] === 'string' ? aps['call-id'] : '';
    // A call without an id is found by nobody: it stays alone on the screen until its time is over.
    if (id === '') this.#unnamed++;
    else if (!this.#shown.has(id)) this.#shown.set(id, 'pushed');
  }

  /** The Call-ID of an INVITE. */
  invited(callId: string): void {
    this.#shown.set(callId, 'invited');
  }

  get screens(): number {
    return this.#shown.size + this.#unnamed;
  }

  /** Screens on which a call arrived that a push had announced, or without one. */
  get invitedScreens(): number {
    return [...this.#shown.values()].filter((how) => how === 'invited').length;
  }
}

/** Android. Whether the app that this push starts processes it, which is what makes it register and wait for the call. */
export function linphoneOnAndroidProcesses(data: Readonly<Record<string, string>>): boolean {
  return (data['call-id'] ?? '') !== '';
}

export interface Counted {
  /** Pushes that the app processed, and calls that rang. */
  readonly processed: number;
  readonly rang: number;
}

/** Calls an Android phone with Linphone again and again: it sleeps, the push starts the app, and what the app does not process does not register. */
export async function callAndroid(o: {
  readonly calls: number;
  readonly fcm: FcmStandIn;
  readonly token: string;
  readonly phone: SipPhone;
  readonly params: string;
  readonly caller: SipPhone;
}): Promise<Counted> {
  let processed = 0;
  const stop = o.fcm.onPush(o.token, ({ data }) => {
    if (data.type !== 'call' || !linphoneOnAndroidProcesses(data)) return;
    processed++;
    void o.phone
      .wake()
      .then(() => o.phone.register({ contactParams: o.params, newCallId: true }))
      .catch(() => undefined);
  });
  try {
    for (let n = 1; n <= o.calls; n++) {
      const call = await o.caller.call(o.phone.user);
      const rung = await o.phone.waitForCall(5_000, n);
      call.cancel();
      await rung.waitForState('cancelled');
      await o.phone.sleep();
    }
  } finally {
    stop();
  }
  return { processed, rang: o.phone.incoming.filter((call) => call.ringingAt !== undefined).length };
}

/** Lines of a configuration with Google beside Apple. */
export function withFcm(yaml: string, { apps, endpoint }: FcmStandIn): string {
  return yaml.replace(/^push:$/m, `push:\n  fcm: ${JSON.stringify({ apps, endpoint })}`);
}

/** The Contact parameters of Linphone on Android, in its order. */
export const androidParams = (token: string, { senderId }: TestProject): string =>
  `;pn-prid=${token};pn-provider=fcm;pn-param=${senderId};pn-silent=1;pn-timeout=0`;
