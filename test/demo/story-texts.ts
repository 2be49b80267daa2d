/** `npm run demo -- --texts`: what a sleeping phone misses beside calls, each as its user sees it. */
import { readFileSync } from 'node:fs';
import type { SipUser } from '../support/asterisk/config.ts';
import {
  hearMessage,
  leaveMessage,
  MAILBOX_CONF,
  MAILBOX_DIALPLAN,
  MAILBOX_MODULES,
  notifies,
} from '../support/asterisk/mailbox.ts';
import { DIALPLAN, freeUdpPort, REALM, type SceneOptions, shipped } from '../support/scene.ts';
import { textsOf } from '../support/texts-of.ts';
import {
  answersOf,
  type Cast,
  callPush,
  fallAsleep,
  lastWords,
  NotSeen,
  pushBody,
  type Stage,
  until,
} from './stage.ts';
import type { StepName } from './steps.ts';

const TOKEN = 'demo-voicemail-token-of-24-characters';
const SAYS = 'The key lies under the mat.';

/** One line of ours before what the administrator had. */
const MESSAGES = `
[messages]
exten => _1XXX,1,Gosub(pushwake-text,s,1(\${EXTEN}))
 same => n,MessageSend(pjsip:\${EXTEN},\${MESSAGE(from)})

#include "pushwake-messages.conf"
`;

export interface TextScene {
  readonly scene: Partial<SceneOptions>;
  readonly yaml: string;
  readonly adminUrl: string;
  readonly users: (users: readonly SipUser[]) => readonly SipUser[];
}

/** What the story needs beside what every demo has. */
export async function textScene(sabotage: StepName | undefined): Promise<TextScene> {
  const adminPort = await freeUdpPort();
  return {
    scene: {
      extensions: DIALPLAN + MAILBOX_DIALPLAN + MESSAGES,
      modules: MAILBOX_MODULES,
      extra: { ...MAILBOX_CONF, 'pushwake-messages.conf': readFileSync(shipped('pushwake-messages.conf'), 'utf8') },
      policy: '  voicemail: all\n  missedCalls: true\n  askToOpen: false',
    },
    yaml: `messages: { wake: true }
${sabotage === 'said-nowhere' ? 'calls: { showCaller: true }\n' : ''}http:
  admin: { listen: "127.0.0.1:${adminPort}", tokens: [{ name: voicemail, role: push, token: ${TOKEN} }] }
`,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    users: (users) => users.map((user) => ({ ...user, endpointLines: ['message_context=messages'] })),
  };
}

interface Word {
  readonly atMs: number;
  readonly type: string;
  readonly shown: string | undefined;
  readonly json: string;
}

/** What this phone was pushed beside calls, from the n-th on. */
function wordsOf({ scene, install }: Cast, from = 0): Word[] {
  return scene.apns.pushes
    .filter((push) => push.token === install.other)
    .map((push) => {
      const { alert } = (JSON.parse(push.json) as { aps?: { alert?: { body?: string } } }).aps ?? {};
      return { atMs: push.atMs, type: pushBody(push).type ?? '', shown: alert?.body, json: push.json };
    })
    .slice(from);
}

const pushed = (cast: Cast, from: number, type: string, waiting: number | undefined = undefined) =>
  until(() => wordsOf(cast, from).find((w) => w.type === type), {
    what: `a push of type "${type}"`,
    seen: () =>
      `${
        wordsOf(cast, from)
          .map((w) => w.type)
          .join(', ') || 'none'
      }; pushwake said: ${lastWords(cast.scene, 3).join(' | ')}`,
    ...(waiting !== undefined && { timeoutMs: waiting }),
  });

export async function theTextWaits(stage: Stage, cast: Cast): Promise<void> {
  stage.print.part('A text (SIP MESSAGE)');
  const { scene, caller, mobile, install } = cast;
  const words = wordsOf(cast).length;
  let sentAt = 0;
  await stage.step(
    'text-kept',
    'The caller sends a text to the sleeping phone: pushwake has it on its disk',
    async () => {
      const from = scene.pushwake.log.length;
      if (stage.sabotages('text-push')) scene.apns.next({ status: 403, reason: 'Forbidden' }, 20);
      sentAt = performance.now();
      const status = await caller.text(stage.sabotages('text-kept') ? '1777' : '1001', SAYS);
      if (status !== 202) throw new NotSeen(`202 at the sender was expected; seen: ${status}`);
      await until(() => scene.pushwake.log.slice(from).find((l) => l.msg === 'text kept'), {
        what: '"text kept" in the log',
        seen: () => `pushwake said: ${lastWords(scene, 3).join(' | ')}`,
      });
      return { ms: performance.now() - sentAt };
    },
  );
  await stage.step('text-push', 'The phone gets one notice, without a word of the text', async () => {
    const { atMs, shown, json } = await pushed(cast, words, 'message');
    if (json.includes(SAYS) || json.includes('2000')) throw new NotSeen('a push without the text was expected');
    return { text: `The phone gets one notice: "${shown}"`, ms: atMs - sentAt, since: 'after the text' };
  });
  await stage.step('text-delivered', 'The phone wakes and gets the text, once', async () => {
    let registeredAt = performance.now();
    if (!stage.sabotages('text-delivered')) {
      await mobile.wake();
      registeredAt = (await mobile.register({ contactParams: install.params, newCallId: true })).at;
    }
    await until(() => textsOf(mobile).length > 0, {
      what: 'a MESSAGE at the phone',
      seen: () => `the phone ${mobile.isOpen ? 'is connected' : 'sleeps'}`,
    });
    const ms = performance.now() - registeredAt;
    await until(() => scene.pushwake.log.some((l) => l.msg === 'text delivered'), { what: 'the 200 of the phone' });
    if (textsOf(mobile).join('|') !== SAYS)
      throw new NotSeen(`"${SAYS}" was expected; seen: ${textsOf(mobile).join('|')}`);
    return { ms, since: 'after REGISTER' };
  });
  await fallAsleep(cast);
}

export async function theMessageWaits(stage: Stage, cast: Cast, { adminUrl }: TextScene): Promise<void> {
  stage.print.part('A voice message, in Asterisk’s own voicemail');
  const { scene, caller } = cast;
  const words = wordsOf(cast).length;
  if (!stage.sabotages('voicemail-push')) {
    const to = { url: adminUrl, token: TOKEN, realm: REALM };
    await notifies(scene.asterisk, shipped('pushwake-voicemail'), to);
  }
  await stage.step('voicemail-push', 'A caller leaves a message: a silent refresh, then a notice', async () => {
    await leaveMessage(caller);
    const hungUpAt = performance.now();
    const { shown, atMs } = await pushed(cast, words, 'voicemail');
    const before = wordsOf(cast, words)[0]?.type;
    if (before !== 'refresh') throw new NotSeen(`a refresh before it was expected; seen: ${before}`);
    return {
      text: `A caller leaves a message: a silent refresh, then a notice: "${shown}"`,
      ms: atMs - hungUpAt,
      since: 'after BYE',
    };
  });
  await stage.step('voicemail-heard', 'It is heard at a desk phone: a silent push takes the notice away', async () => {
    const from = wordsOf(cast).length;
    const begun = performance.now();
    if (!stage.sabotages('voicemail-heard')) await hearMessage(scene.asterisk);
    const { shown, json } = await pushed(cast, from, 'voicemail');
    if (shown !== undefined || !json.includes('"count":0'))
      throw new NotSeen(`a silent push with 0 was expected; seen: ${json}`);
    return { ms: performance.now() - begun };
  });
}

export async function theCallIsMissed(stage: Stage, cast: Cast): Promise<void> {
  stage.print.part('A missed call');
  const { scene, caller, mobile, install } = cast;
  const words = wordsOf(cast).length;
  await stage.step('missed-push', 'The caller gives up, the phone never came: a notice that stays', async () => {
    const pushes = scene.apns.pushes.length;
    const call = await caller.call('1001');
    await until(() => callPush(scene, install, pushes), { what: 'a push of the call', seen: () => answersOf(call) });
    call.cancel();
    await call.done;
    const givenUpAt = performance.now();
    if (stage.sabotages('missed-push')) {
      await mobile.wake();
      await mobile.register({ contactParams: install.params, newCallId: true });
    }
    // Nobody is waited for any more 10 s after the end.
    const { atMs, shown } = await pushed(cast, words, 'missed', stage.sabotages('missed-push') ? 14_000 : 25_000);
    const order = wordsOf(cast, words).map((w) => w.type);
    if (order.indexOf('cancel') > order.indexOf('missed')) throw new NotSeen('the closing push before it was expected');
    return {
      text: `The caller gives up, the phone never came: a notice that stays: "${shown}"`,
      ms: atMs - givenUpAt,
      since: 'after CANCEL',
    };
  });
  await stage.step('said-nowhere', 'No log says what the text said, and no push who texted or called', async () => {
    const begun = performance.now();
    const logs = scene.pushwake.output + scene.asterisk.logText();
    const json = wordsOf(cast)
      .map((w) => w.json)
      .join('\n');
    const leaks = [
      ...(logs.includes(SAYS) ? ['the text in a log'] : []),
      ...(json.includes('"2000"') ? ['the caller in a push'] : []),
    ];
    if (leaks.length > 0) throw new NotSeen(`nothing was expected; seen: ${leaks.join(', ')}`);
    return { ms: performance.now() - begun };
  });
}
