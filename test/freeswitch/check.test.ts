/** `pushwake check` on a real FreeSWITCH: nothing to say of one that is right, and each thing planted is named. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { notOk as notOkOf } from '../support/checked.ts';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';

let scene: FreeswitchScene;
beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(1), withoutPushwake: true });
});
afterAll(async () => scene?.close());

const notOk = (change?: (yaml: string) => string) => notOkOf(scene, change);
const ofTheLink = (lines: readonly string[]) =>
  lines.filter((line) => /pbx|office|freeswitch|profile|dialplan/i.test(line));

it('one that is right: nothing', async () => {
  expect(ofTheLink(await notOk())).toEqual([]);
});

it('a wrong password', async () => {
  const lines = ofTheLink(await notOk((yaml) => yaml.replace(/^( +password: ).*$/m, '$1not-the-one')));
  expect(lines.join('\n')).toMatch(/^fail .*(login|password)/im);
});

it('a realm that the directory does not know, and phones that are registered in another one', async () => {
  const phone = await scene.phone('1001');
  await phone.register({ contactParams: scene.install().params });
  const lines = await notOk((yaml) => yaml.replace('realm: "example.com"', 'realm: example.org'));
  expect(lines.filter((line) => /realm/.test(line)).join('\n')).toMatch(
    /directory knows no domain example\.org[\s\S]*knows the account in the domain example\.com, which `realm` does not name/,
  );
});

it('a profile that is not there', async () => {
  const lines = ofTheLink(await notOk((yaml) => yaml.replace(/profiles: \[[^\]]*\]/, 'profiles: [internal, nowhere]')));
  expect(lines.join('\n')).toMatch(/nowhere/);
});

it('phones that register with a profile nobody named', async () => {
  const lines = await notOk((yaml) => yaml.replace(/profiles: \[[^\]]*\]/, 'profiles: [callid]'));
  expect(lines.join('\n')).toMatch(/registered with the SIP profile internal, which `profiles` does not name/);
});

it('a late margin that differs from the profile’s', async () => {
  const lines = ofTheLink(await notOk((yaml) => yaml.replace('expiresLateMargin: 5', 'expiresLateMargin: 60')));
  expect(lines.join('\n')).toMatch(
    /internal: sip-expires-late-margin is 5, and expiresLateMargin in pushwake\.yaml is 60/,
  );
});
