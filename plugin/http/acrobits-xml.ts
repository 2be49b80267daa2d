/** What an administrator puts into the Account XML of an Acrobits app, so that it reports to the devices listener. */
import type { Aor } from '../core/aor.ts';
import { accountKey } from './account-key.ts';

const TOKENS = {
  selector: '%selector%',
  pushToken: '%pushToken%',
  pushappid: '%pushappid%',
  pushTokenIncomingCall: '%pushTokenIncomingCall%',
  pushappid_incoming_call: '%pushappid_incoming_call%',
  pushTokenOther: '%pushTokenOther%',
  pushappid_other: '%pushappid_other%',
};

/** `publicUrl`: where phones reach the devices listener. The text holds the account's key: as secret as its SIP password. */
export function acrobitsXml(publicUrl: string, secret: string, aor: Aor): string {
  const base = publicUrl.replace(/\/+$/, '');
  const who = { account: aor, key: accountKey(secret, aor), installid: '%installid%' };
  const reporter = (name: string, path: string, body: Record<string, string>) => [
    `  <${name}Url>${escaped(`${base}/v1/acrobits/${path}`)}</${name}Url>`,
    `  <${name}PostData>${escaped(JSON.stringify(body))}</${name}PostData>`,
    `  <${name}ContentType>application/json</${name}ContentType>`,
  ];
  return [
    '<account>',
    '  <sipisDisabled>1</sipisDisabled>',
    '  <pushNotificationsEnabled>1</pushNotificationsEnabled>',
    ...reporter('pushTokenReporter', 'token', { ...who, ...TOKENS }),
    ...reporter('accountRemovalReporter', 'removed', { ...who, ...TOKENS }),
    ...reporter('pushNotificationReporter', 'received', who),
    '</account>',
    '',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
