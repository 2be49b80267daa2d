/** The PBX contract on a real Asterisk. */
import { create, optionsSchema } from '../../adapters/pbx/asterisk/index.ts';
import { pbxLinkContract } from '../contract/pbx-link.contract.ts';
import { startAsterisk } from '../support/asterisk/index.ts';
import { realHarness } from '../support/pbx-harness.ts';
import { DIALPLAN, shipped } from '../support/scene.ts';

const PASSWORD = 'contract-secret';

pbxLinkContract('Asterisk', {
  async start() {
    const users = [...Array.from({ length: 20 }, (_, i) => ({ id: String(1001 + i) })), { id: '2000' }];
    const pbx = await startAsterisk({
      name: `contract-${process.pid}`,
      users,
      extensions: DIALPLAN,
      snippets: [
        { file: shipped('pushwake-extensions.conf'), into: 'extensions.conf' },
        { file: shipped('pushwake-ari.conf'), into: 'ari.conf', replace: [['CHANGE-ME', PASSWORD]] },
      ],
    });
    return realHarness({ ports: pbx.ports, linkPort: pbx.ports.ari, stop: () => pbx.stop() }, (port, deps) =>
      create(optionsSchema.parse({ url: `http://127.0.0.1:${port}`, password: PASSWORD, realm: 'example.com' }), deps),
    );
  },
});
