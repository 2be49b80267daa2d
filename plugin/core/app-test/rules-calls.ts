/** Rules of what an app does with a call: it comes, names itself, rings, is answered, and stops. */
import { type DurationMs, SECOND } from '../time.ts';
import {
  broken,
  byAnswer,
  byStep,
  calls,
  count,
  each,
  inSeconds,
  notApplicable,
  notSeen,
  ok,
  type Rule,
  range,
  wakingCalls,
} from './rule.ts';

/** A call that ended sooner than this after its push says nothing of a phone that did not come. */
const TIME_TO_COME: DurationMs = 10 * SECOND;
/** Later than this after the push the caller has heard two rings, and many hang up. */
const COMES_WITHIN: DurationMs = 5 * SECOND;
/** An INVITE that has no answer by then was not taken. */
const RINGS_WITHIN: DurationMs = 4 * SECOND;
/** Nobody reads a screen and refuses a call in less. */
const FASTER_THAN_PEOPLE: DurationMs = 1 * SECOND;

const APPLE_CALLKIT =
  'Apple, PKPushType.voIP: “Apps receiving VoIP push notifications must report the call quickly to CallKit”; with the iOS 13 SDK or later “the system terminates your app if you fail to report” (https://developer.apple.com/documentation/pushkit/pkpushtype/voip)';

export const CALL_RULES: readonly Rule[] = [
  {
    id: 'A1',
    title: 'The app registers for a call push',
    platforms: 'all',
    kinds: 'all',
    reason: 'The PBX knows the phone only by its REGISTER: without one there is nowhere to send the INVITE.',
    source: 'RFC 8599 §4.1.3: a user agent that receives a push notification sends a binding-refresh REGISTER',
    observed: 'a REGISTER of the account between the push and the end of the call',
    suffers: 'The call does not reach the phone.',
    judge: (o) => {
      const tried = wakingCalls(o).filter(
        (c) => c.registeredMs !== undefined || (c.endedMs ?? 0) - (c.pushedMs ?? 0) >= TIME_TO_COME,
      );
      const came = tried.filter((c) => c.registeredMs !== undefined);
      if (tried.length === 0) return notSeen('no call push was accepted for a phone that slept');
      if (came.length === tried.length) return ok(`registered for ${each(tried.length, 'call')}`);
      const status = tried.find((c) => c.refusedStatus !== undefined)?.refusedStatus;
      const why = status === undefined ? '' : `; the PBX refused a REGISTER with ${status}`;
      return broken(`registered for ${came.length} of ${calls(tried.length)}${why}`);
    },
  },
  {
    id: 'A2',
    title: 'It registers within five seconds',
    platforms: 'all',
    kinds: 'all',
    reason: 'The caller waits. A phone that comes later rings when the caller or the voicemail has given up.',
    source: 'RFC 8599 §5.6.2: the proxy holds the request only for a limited time while it waits for the REGISTER',
    observed: 'time from the answer of the push service to the REGISTER',
    suffers: 'Callers hang up before the phone rings.',
    judge: (o) => {
      const took = wakingCalls(o).flatMap((c) =>
        c.registeredMs === undefined || c.pushedMs === undefined ? [] : [Math.max(0, c.registeredMs - c.pushedMs)],
      );
      if (took.length === 0) return notSeen('it did not register for a call');
      const late = took.filter((ms) => ms > COMES_WITHIN).length;
      const seen = `registered ${range(took)} after the push, ${calls(took.length)}`;
      return late * 2 > took.length ? broken(seen) : ok(seen);
    },
  },
  {
    id: 'A3',
    title: 'Its REGISTER names the device and its push token',
    platforms: 'all',
    kinds: 'all',
    reason: 'Only the push parameters of the Contact show which device has come, and keep its binding alive.',
    source: 'RFC 8599 §4.1.1: the user agent gives pn-provider, pn-prid and pn-param in the Contact of each REGISTER',
    observed: 'the Contact of each REGISTER in the test',
    suffers: 'The binding runs out although the app is used; with two phones, the wrong one may be rung.',
    judge: (o) => {
      if (o.subject.reports) return notApplicable('the app reports its tokens over HTTP');
      const nameless = o.steps.reduce((n, s) => n + s.registers.withoutPush, 0);
      // A REGISTER with push parameters of a device that nobody knows is another fault (A18).
      const bare = { ...o, steps: o.steps.filter((s) => s.registers.withPush === 0) };
      const unnamed = wakingCalls(bare).filter((c) => c.named === false).length;
      const named = o.steps.reduce((n, s) => n + s.registers.withPush, 0);
      if (nameless + unnamed > 0)
        return broken(`${count(Math.max(nameless, unnamed), 'REGISTER')} without push parameters, ${named} with them`);
      return named > 0 ? ok(`${count(named, 'REGISTER')}, each with push parameters`) : notSeen('no REGISTER was seen');
    },
  },
  {
    id: 'A4',
    title: 'It answers the INVITE with 180',
    platforms: 'all',
    kinds: 'all',
    reason: 'Registering alone rings nothing: the INVITE that follows is the call.',
    source: 'RFC 3261 §13.3.1.1: a callee that alerts its user answers 180 (Ringing) early',
    observed: 'a 180 within four seconds of the INVITE',
    suffers: 'The phone stays silent, and the caller hears nothing, although the phone was reached.',
    judge: (o) => {
      const asked = o.steps
        .flatMap((s) => s.calls.slice(0, 1))
        .filter((c) => c.dialledMs !== undefined || c.ringingMs !== undefined)
        .filter((c) => took(c) !== undefined || (c.endedMs ?? 0) - (c.dialledMs ?? c.endedMs ?? 0) >= RINGS_WITHIN);
      if (asked.length === 0) return notSeen('no INVITE was sent long enough');
      const rang = asked.filter((c) => (took(c) ?? Number.POSITIVE_INFINITY) <= RINGS_WITHIN);
      if (rang.length < asked.length)
        return broken(`answered ${rang.length} of ${count(asked.length, 'INVITE')} in time`);
      return ok(`answered ${each(asked.length, 'INVITE')}, after ${range(asked.map((c) => took(c) ?? 0))}`);
    },
  },
  {
    id: 'A5',
    title: 'It does not answer by itself',
    platforms: 'all',
    kinds: 'all',
    reason: 'A call that an app answers without its user opens the microphone to the caller.',
    source: 'RFC 3261 §13.3.1.4: 200 says that the call was accepted, which is the user’s to do',
    observed: 'a 200 before the person was asked to answer',
    suffers: 'The caller listens in; nobody knows of the call.',
    judge: (o) => {
      const rang = o.steps
        .flatMap((s) => s.calls)
        .filter((c) => c.ringingMs !== undefined || c.answeredMs !== undefined);
      const by = rang.filter((c) => c.answeredMs !== undefined && c.answeredMs < (c.mayAnswerMs ?? Infinity));
      if (rang.length === 0) return notSeen('no call rang');
      return by.length > 0
        ? broken(`${calls(by.length)} of ${rang.length} answered before anybody was asked to`)
        : ok(`none of ${calls(rang.length)} was answered before that was asked for`);
    },
  },
  {
    id: 'A6',
    title: 'One call is shown once',
    platforms: 'all',
    kinds: 'all',
    reason: 'Push and INVITE announce the same call: X-Push-ID of the INVITE is callId of the push.',
    source:
      'pushwake, docs/app-payloads.md. Apple, CXProvider.reportNewIncomingCall: its UUID is “The unique identifier of the call”; the error callUUIDAlreadyExists says “The incoming call UUID already exists” (https://developer.apple.com/documentation/callkit/cxerrorcodeincomingcallerror-swift.struct/code/calluuidalreadyexists)',
    observed: 'the person at the phone says so',
    suffers: 'Two incoming calls on the screen, one of which nobody can answer.',
    judge: (o) =>
      byStep(o, 'call', (s) =>
        s.calls[0]?.ringingMs === undefined
          ? notSeen('the phone did not ring')
          : byAnswer(s, 'one-screen', { yes: 'the call was shown once', no: 'the call was not shown exactly once' }),
      ),
  },
  {
    id: 'A7',
    title: 'It can be answered',
    platforms: 'all',
    kinds: 'all',
    reason: 'A call that was shown by the push must have its INVITE when the user answers it.',
    source: 'RFC 3261 §13.3.1.4',
    observed: 'a 200 within 25 seconds after the person was asked to answer',
    suffers: 'The user presses the button, and the phone rings on.',
    judge: (o) =>
      byStep(o, 'call', ({ calls: [call], answers }) => {
        if (call?.ringingMs === undefined) return notSeen('the phone did not ring');
        if (call.answeredMs !== undefined)
          return ok(`answered ${inSeconds(call.answeredMs - call.ringingMs)} after 180`);
        // Who says nothing of the screen afterwards did not press the button either.
        return call.mayAnswerMs === undefined || answers['one-screen'] === undefined
          ? notSeen('nobody was there to answer')
          : broken('no 200 came after the person was asked to answer');
      }),
  },
  {
    id: 'A8',
    title: 'A call that ended before the app came leaves the screen',
    platforms: 'all',
    kinds: 'all',
    reason: 'The push shows the call; the caller may hang up before the app has registered.',
    source: `pushwake, docs/app-payloads.md (After the end). ${APPLE_CALLKIT}, so the app reports the call and ends it`,
    observed: 'the person at the phone says so, twelve seconds after the caller hung up',
    suffers: 'The phone rings for a caller who is gone.',
    judge: (o) =>
      byStep(o, 'cancel-before', (s) => {
        const [call] = s.calls;
        if (call?.push !== 'accepted') return notSeen('the push service did not take the push');
        // Then CANCEL ended it on the screen, which A9 judges.
        if ((call.dialledMs ?? call.ringingMs ?? Infinity) < (call.endedMs ?? 0))
          return notSeen('the app came before the caller hung up');
        return byAnswer(s, 'silent-before', {
          yes: 'the screen was empty',
          no: 'the phone still showed or rang the call',
        });
      }),
  },
  {
    id: 'A9',
    title: 'It stops ringing at CANCEL',
    platforms: 'all',
    kinds: 'all',
    reason: 'The CANCEL of the INVITE is what counts; the cancel push may come late or never.',
    source: 'RFC 3261 §9.2: the callee ends the pending INVITE and answers it with 487',
    observed: 'the person at the phone says so',
    suffers: 'The phone rings for a caller who is gone.',
    judge: (o) =>
      byStep(o, 'cancel-after', (s) =>
        s.calls[0]?.ringingMs === undefined
          ? notSeen('the phone did not ring')
          : byAnswer(s, 'silent-after', { yes: 'it stopped', no: 'it rang on after the CANCEL' }),
      ),
  },
  {
    id: 'A10',
    title: 'A call that somebody else took is not shown as missed',
    platforms: 'all',
    kinds: 'all',
    reason:
      'The CANCEL says it: Reason: SIP;cause=200;text="Call completed elsewhere"; the cancel push says ended=elsewhere.',
    source:
      'RFC 3326 §2 with the example of a CANCEL for a call completed elsewhere; Apple, CXCallEndedReason.answeredElsewhere: “Another device answered the call.”',
    observed: 'the person at the phone says so',
    suffers: 'People call back callers who have been served.',
    judge: (o) =>
      byStep(o, 'elsewhere', (s) =>
        s.calls[0]?.ringingMs === undefined
          ? notSeen('the phone did not ring')
          : byAnswer(s, 'not-missed', {
              yes: 'it stopped and counted nothing',
              no: 'it rang on or counted a missed call',
            }),
      ),
  },
  {
    id: 'A11',
    title: 'A second call reaches the app during the first',
    platforms: 'all',
    kinds: 'all',
    reason: 'A call that is waiting must not hide the next one: the app rings (call waiting) or says that it is busy.',
    source: 'RFC 3261 §8.2: each INVITE gets a final answer; 486 where the callee is busy',
    observed: '180, 200 or a refusal for the second of two calls',
    suffers: 'The second caller hears nothing and gives up.',
    judge: (o) =>
      byStep(o, 'two-calls', ({ calls: [first, second], registers }) => {
        if (first?.ringingMs === undefined || second === undefined) return notSeen('the first call did not ring');
        if (second.ringingMs !== undefined) return ok('both calls rang');
        if (second.declinedMs !== undefined) return ok('the second call was refused as busy');
        // A contact that names no device is dialled by the PBX, which does not say how that went.
        if (o.subject.reports) return notSeen('the PBX rings its contact by itself, which is not seen here');
        // A phone that does not say which device it is may be given the first call alone.
        if (registers.withoutPush > 0) return notSeen('its REGISTER did not name the device (A3)');
        return (second.endedMs ?? 0) >= TIME_TO_COME
          ? broken('the second call had neither 180 nor a refusal')
          : notSeen('the second call was not given enough time');
      }),
  },
  {
    id: 'A12',
    title: 'A push that comes after its call does not ring',
    platforms: 'all',
    kinds: 'all',
    reason: 'Push services deliver late; expiresAt of the push says until when the call could wait.',
    source: `pushwake, docs/app-payloads.md; ${APPLE_CALLKIT}; from iOS 26.4 PKVoIPPushMetadata.mustReport says “whether a VoIP app must report a call” (https://developer.apple.com/documentation/pushkit/pkvoippushmetadata/mustreport; Apple’s page does not say for which pushes it is false, and that a push that is too old is one of them was not verified)`,
    observed: 'the person at the phone says so, after the phone was without network during the call',
    suffers: 'The phone rings minutes after the call, with nobody there.',
    judge: (o) =>
      byStep(o, 'late-wake', (s) =>
        s.calls[0]?.push === 'accepted'
          ? byAnswer(s, 'silent-late', { yes: 'it stayed silent', no: 'it rang for a call that was over' })
          : notSeen('the push service did not take the push'),
      ),
  },
  {
    id: 'A21',
    title: 'It does not refuse by itself',
    platforms: 'all',
    kinds: 'all',
    reason: 'A refusal ends the call at this phone, and the caller is told that the person does not want it.',
    source: 'RFC 3261 §21.4.24 and §21.6.2: 486 and 603 are the word of the callee',
    observed: 'a refusal within a second after the INVITE of a first call',
    suffers: 'The call goes to voicemail although the person would have taken it.',
    judge: (o) => {
      const first = o.steps.flatMap((s) => s.calls.slice(0, 1));
      const asked = first.filter((c) => c.dialledMs !== undefined || c.ringingMs !== undefined);
      const by = asked.filter(
        (c) => c.declinedMs !== undefined && c.declinedMs - (c.ringingMs ?? c.dialledMs ?? 0) < FASTER_THAN_PEOPLE,
      );
      if (asked.length === 0) return notSeen('no INVITE was sent');
      return by.length > 0
        ? broken(
            `refused ${by.length} of ${count(asked.length, 'INVITE')} within a second (cause ${by[0]?.declinedCause})`,
          )
        : ok(`refused none of ${count(asked.length, 'INVITE')} by itself`);
    },
  },
];

/** From the INVITE to what the phone said first. A stored contact is dialled by the PBX itself: then from the ring. */
function took(c: {
  readonly dialledMs?: DurationMs;
  readonly ringingMs?: DurationMs;
  readonly declinedMs?: DurationMs;
  readonly answeredMs?: DurationMs;
}): DurationMs | undefined {
  const said = c.ringingMs ?? c.answeredMs ?? c.declinedMs;
  return said === undefined ? undefined : Math.max(0, said - (c.dialledMs ?? said));
}
