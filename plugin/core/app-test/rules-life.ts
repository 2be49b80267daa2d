/** Rules of an app's life between calls: silent pushes, notices, repeats, tokens, identity, log-out. */

import { broken, byAnswer, byStep, count, inSeconds, notApplicable, notSeen, ok, type Rule } from './rule.ts';
import type { StepName, StepSeen } from './seen.ts';

/** Steps in which the person changes the app: what its REGISTERs say there is no habit of the app. */
const BY_HAND: readonly StepName[] = ['token', 'log-out'];
const NO_OTHER = 'the app gave no token for pushes that are no call';

export const LIFE_RULES: readonly Rule[] = [
  {
    id: 'A13',
    title: 'It registers for a silent push',
    platforms: ['ios', 'android', 'other'],
    kinds: 'all',
    reason: 'Silent pushes renew the binding of a phone that nobody opens for days.',
    source:
      'RFC 8599 §4.1.3: every push notification asks for a REGISTER. Apple, Pushing background updates to your App: “the system may throttle the delivery of background notifications”; “Your app has 30 seconds to perform any tasks” (https://developer.apple.com/documentation/usernotifications/pushing-background-updates-to-your-app)',
    observed: 'a REGISTER within 90 seconds of a silent push',
    suffers: 'The account runs out on a phone that was left alone, and calls stop until the app is opened.',
    judge: (o) =>
      !o.subject.hasOther
        ? notApplicable(NO_OTHER)
        : byStep(o, 'silent', ({ push, registers }) => {
            if (push !== 'accepted') return notSeen('the push service did not take the silent push');
            return registers.firstMs === undefined
              ? broken(
                  'no REGISTER within 90 s; repeat it with the phone charging, because the system may hold silent pushes back',
                )
              : ok(`registered ${inSeconds(registers.firstMs)} after the push`);
          }),
  },
  {
    id: 'A14',
    title: 'A silent push shows nothing',
    platforms: ['ios', 'android', 'other'],
    kinds: 'all',
    reason:
      'It asks for a REGISTER and is meant for the app alone. A service worker of a browser must show something and is not asked this.',
    source:
      'Apple, Pushing background updates to your App: it “doesn’t display an alert, play a sound, or badge your app’s icon”; Google, FCM message types: “Data messages, which are handled by the client app”',
    observed: 'the person at the phone says so',
    suffers: 'The phone wakes people at night for nothing.',
    judge: (o) =>
      !o.subject.hasOther
        ? notApplicable(NO_OTHER)
        : byStep(o, 'silent', (s) =>
            s.push === 'accepted'
              ? byAnswer(s, 'saw-nothing', { yes: 'nothing was shown', no: 'something was shown or heard' })
              : notSeen('the push service did not take the silent push'),
          ),
  },
  {
    id: 'A15',
    title: 'A notice is shown',
    platforms: 'all',
    kinds: 'all',
    reason: 'It is the last word before the account stops receiving calls.',
    source:
      'Google, FCM message types: the SDK “displays the message to end-user devices on behalf of the client app when it’s running in the background”; Apple, Sending notification requests to APNs: alert is “for notifications that trigger a user interaction” (https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns, read in copies of that page)',
    observed: 'the person at the phone says so',
    suffers: 'Calls stop without a warning.',
    judge: (o) =>
      !o.subject.hasOther
        ? notApplicable(NO_OTHER)
        : byStep(o, 'notice', (s) =>
            s.push === 'accepted'
              ? byAnswer(s, 'saw-notice', { yes: 'the text was shown', no: 'no text was shown' })
              : notSeen('the push service did not take the notice'),
          ),
  },
  {
    id: 'A16',
    title: 'A push that comes twice shows one call',
    platforms: 'all',
    kinds: 'all',
    reason:
      'A push that its phone did not answer is sent again with the same callId; services may deliver one push twice.',
    source: 'pushwake, docs/app-payloads.md: show one call for one callId',
    observed: 'the push of a call is sent twice; the person at the phone says how often it was shown',
    suffers: 'Two incoming calls on the screen for one caller.',
    judge: (o) =>
      byStep(o, 'repeated', (s) => {
        if (s.push !== 'accepted') return notSeen('the push service did not take the second push');
        if (s.calls[0]?.ringingMs === undefined) return notSeen('the phone did not ring');
        if (o.steps.some((one) => one.answers['one-screen'] === 'no'))
          return notSeen('a push that comes once is not shown once either');
        return byAnswer(s, 'one-screen-again', {
          yes: 'the call was shown once',
          no: 'the call was not shown exactly once',
        });
      }),
  },
  {
    id: 'A17',
    title: 'A new token is registered at once',
    platforms: 'all',
    kinds: 'all',
    reason: 'Pushes to the old token reach nobody.',
    source:
      'RFC 8599 §4.1: a user agent whose PRID changes registers with the new one; Apple, Registering your app with APNs: at launch the app “receives its device token, which you then forward to your provider server”; Google, FirebaseMessagingService.onNewToken “will fire whenever a new token is generated” (https://firebase.blog/posts/2023/04/managing-cloud-messaging-tokens)',
    observed: 'a binding with a token that the account did not have before',
    suffers: 'No call reaches the phone until the app is opened by chance.',
    judge: (o) =>
      byStep(o, 'token', ({ newTokens }) =>
        newTokens ? ok('the new token was registered') : broken('no new token was registered'),
      ),
  },
  {
    id: 'A18',
    title: 'It stays the same device',
    platforms: 'all',
    kinds: 'all',
    reason:
      'A device is known by its token and its +sip.instance; an app that changes both at each start is a new phone each time.',
    source:
      'RFC 5626 §4.1: the instance id stays the same over restarts; RFC 8599 §4.1: the PRID stays until the service changes it',
    observed: 'bindings of the account before and after each step',
    suffers: 'Bindings pile up: each call is pushed several times, and dead ones are warned about.',
    judge: (o) => {
      const looked = o.steps.filter((s) => s.state === 'done' && !BY_HAND.includes(s.step));
      if (looked.length === 0) return notSeen('no step was carried out');
      if (looked.some((s) => s.registers.loggedOut > 0))
        return notSeen('it logged out by itself, which ends its binding');
      const grew = timesGrown(looked);
      return grew > 0
        ? broken(`became another device in ${grew} of ${count(looked.length, 'step')}`)
        : ok(`the same device in ${count(looked.length, 'step')}`);
    },
  },
  {
    id: 'A19',
    title: 'It does not log out when it goes to sleep',
    platforms: 'all',
    kinds: 'all',
    reason: 'REGISTER with Expires 0 says that the account was removed from the app: its binding ends.',
    source:
      'RFC 8599 §4.1.2: a user agent that wants no more push notifications says so by its REGISTER; RFC 3261 §10.2.2',
    observed: 'REGISTERs with Expires 0, where the PBX shows them (FreeSWITCH; Asterisk with HEP)',
    suffers: 'The first call after the app was closed reaches nobody.',
    judge: (o) => {
      const looked = o.steps.filter((s) => !BY_HAND.includes(s.step) && s.state !== 'skipped');
      const out = looked.filter((s) => s.registers.loggedOut > 0).length;
      if (looked.length === 0) return notSeen('no step was carried out');
      return out > 0
        ? broken(`logged out by itself in ${out} of ${count(looked.length, 'step')}`)
        : ok('it never logged out by itself');
    },
  },
  {
    id: 'A20',
    title: 'Logging out unregisters',
    platforms: 'all',
    kinds: 'all',
    reason: 'Who logs out wants no more calls on this phone.',
    source: 'RFC 3261 §10.2.2: a binding is removed by a REGISTER with Expires 0; RFC 8599 §4.1.2',
    observed: 'the contact of the device at the PBX, twenty seconds after the person logged out',
    suffers: 'The phone rings on for somebody who has left, for up to a week.',
    judge: (o) =>
      byStep(o, 'log-out', ({ held, registers }) => {
        if (registers.loggedOut > 0) return ok('a REGISTER with Expires 0 came');
        if (held === 'unknown') return notSeen('it is not known whether the PBX holds a contact of it');
        return held === 'yes' ? broken('the PBX still holds its contact') : ok('the PBX holds no contact of it');
      }),
  },
];

/** In how many steps there were more bindings than ever before: one that ended and came back is the same device. */
function timesGrown(steps: readonly StepSeen[]): number {
  let most = steps[0]?.bindings.before ?? 0;
  let times = 0;
  for (const { bindings } of steps) {
    if (bindings.after > most) times++;
    most = Math.max(most, bindings.after);
  }
  return times;
}
