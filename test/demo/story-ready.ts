/** Before the story: Asterisk, pushwake, phones; and one phone falls asleep. */
import type { Scene } from '../support/scene.ts';
import { type Cast, fallAsleep, lastWords, type Stage, until } from './stage.ts';

export async function asteriskRuns(stage: Stage, scene: Scene): Promise<void> {
  const { asterisk } = scene;
  const begun = performance.now();
  await stage.step('asterisk', 'Asterisk runs with pushwake’s configuration files included', async () => {
    if (stage.sabotages('asterisk')) asterisk.signal('SIGKILL');
    const version = await until(
      async () => /Asterisk (\d[\d.]*)/.exec(await asterisk.cli('core show version'))?.[1] ?? false,
      { what: 'an answer of Asterisk', seen: () => asterisk.cli('core show version') },
    );
    await until(async () => (await asterisk.cli('dialplan show pushwake-wake')).includes(',compose,'), {
      what: 'the dialplan of pushwake',
      seen: () => asterisk.cli('dialplan show pushwake-wake'),
    });
    return {
      text: `Asterisk ${version} runs with pushwake’s configuration files included`,
      ms: asterisk.startedInMs + performance.now() - begun,
    };
  });
}

export async function pushwakeRuns(stage: Stage, scene: Scene): Promise<void> {
  await stage.step('connected', 'pushwake started and Asterisk knows it', async () => {
    if (stage.sabotages('connected')) scene.pushwake.configure(scene.yaml({ password: 'not-the-password' }));
    const begun = performance.now();
    await scene.pushwake.start();
    await until(async () => /^pushwake\b/m.test(await scene.asterisk.cli('ari show apps')), {
      what: 'pushwake among the applications of Asterisk',
      seen: () => `pushwake said: ${lastWords(scene, 3).join(' | ')}`,
    });
    return { ms: performance.now() - begun };
  });
}

export async function phonesRegister(stage: Stage, scene: Scene): Promise<Cast> {
  // TLS, as the apps do it: a closed socket takes the contact along.
  const mobile = await scene.phone('1001', { name: 'mobile', transport: 'tls' });
  const desk = await scene.phone('1002', { name: 'desk' });
  const caller = await scene.phone('2000', { name: 'caller' });
  const install = scene.install();
  const cast: Cast = { scene, mobile, desk, caller, install };
  for (const phone of [desk, caller]) await phone.register();

  let registeredAt = 0;
  const params = stage.sabotages('secrets') ? `${install.params};x-token=${install.voip}` : install.params;
  await stage.step(
    'registered',
    'Mobile 1001 registered over TLS, with push parameters (RFC 8599) in its Contact',
    async () => {
      if (!stage.sabotages('registered')) {
        const { at, sentAt } = await mobile.register({ contactParams: stage.sabotages('bound') ? '' : params });
        registeredAt = at;
        await until(async () => (await scene.contacts('1001')).length === 1, { what: 'a contact of 1001 in Asterisk' });
        return { ms: at - sentAt };
      }
      await until(async () => (await scene.contacts('1001')).length === 1, {
        what: 'a contact of 1001 in Asterisk',
        seen: async () => `${(await scene.contacts('1001')).length} contacts`,
      });
      return { ms: 0 };
    },
  );
  await stage.step('bound', 'pushwake keeps a push binding for 1001', async () => {
    const line = await until(
      () => scene.pushwake.log.find((l) => l.msg === 'binding bound' && l.aor === '1001@example.com'),
      { what: 'a push binding of 1001', seen: () => `pushwake said: ${lastWords(scene, 3).join(' | ')}` },
    );
    const days = (Date.parse(String(line.endsAt)) - Date.now()) / 86_400_000;
    return {
      text: `pushwake keeps a push binding for 1001, good for ${Math.round(days)} days without another REGISTER`,
      ms: Math.max(0, Date.parse(String(line.time)) - (performance.timeOrigin + registeredAt)),
      since: 'after REGISTER',
    };
  });
  await stage.step('asleep', 'The mobile fell asleep: connection closed, no contact left in Asterisk', async () => {
    const begun = performance.now();
    if (stage.sabotages('asleep')) {
      await until(async () => (await scene.contacts('1001')).length === 0, {
        what: 'no contact of 1001 in Asterisk',
        seen: async () => `Asterisk still holds ${(await scene.contacts('1001')).length}`,
      });
    } else await fallAsleep(cast);
    return { ms: performance.now() - begun };
  });
  return cast;
}
