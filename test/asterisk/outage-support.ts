/** A site of sleeping phones whose dialplan lets each ring for a given time. */
import type { SipUser } from '../support/asterisk/config.ts';
import { Scene } from '../support/scene.ts';

export { Mobile } from '../support/mobile.ts';

/** The caller first, then the phones. */
export function callUsers(phones: number): SipUser[] {
  const mobiles = Array.from({ length: phones }, (_, i) => ({ id: `10${String(i + 1).padStart(2, '0')}` }));
  return [{ id: '2000', callerId: 'The Caller <2000>' }, ...mobiles];
}

export function startScene(o: { name: string; users: readonly SipUser[]; ringSeconds: number }): Promise<Scene> {
  return Scene.start({
    name: o.name,
    users: o.users,
    debug: true,
    withoutPushwake: true,
    extensions: `[internal]
exten => _10XX,1,Dial(Local/\${EXTEN}@pushwake/n,${o.ringSeconds})
 same => n,Hangup(\${HANGUPCAUSE})
`,
  });
}
