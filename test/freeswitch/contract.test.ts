/** The PBX contract on a real FreeSWITCH. */
import { create, optionsSchema } from '../../adapters/pbx/freeswitch/index.ts';
import { pbxLinkContract } from '../contract/pbx-link.contract.ts';
import { startFreeswitch } from '../support/freeswitch/index.ts';
import { FREESWITCH_DIALPLAN, freeswitchShipped } from '../support/freeswitch-scene.ts';
import { realHarness } from '../support/pbx-harness.ts';

pbxLinkContract('FreeSWITCH', {
  async start() {
    const users = [...Array.from({ length: 20 }, (_, i) => ({ id: String(1001 + i) })), { id: '2000' }];
    const pbx = await startFreeswitch({
      users,
      eslPassword: 'contract-secret',
      extensions: FREESWITCH_DIALPLAN,
      dialplans: [freeswitchShipped('pushwake-dialplan.xml')],
    });
    return realHarness({ ports: pbx.ports, linkPort: pbx.ports.esl, stop: () => pbx.stop() }, (port, deps) =>
      create(
        optionsSchema.parse({ port, password: 'contract-secret', realm: 'example.com', expiresLateMargin: 5 }),
        deps,
      ),
    );
  },
});
