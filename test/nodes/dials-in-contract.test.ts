/** The PBX contract on a real Asterisk that dials in: the line that is cut is the one by which it comes. */
import { create, optionsSchema } from '../../adapters/pbx/asterisk/index.ts';
import { pbxLinkContract } from '../contract/pbx-link.contract.ts';
import { freePort } from '../support/free-port.ts';
import { realHarness } from '../support/pbx-harness.ts';
import { Scene } from '../support/scene.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

pbxLinkContract('Asterisk that dials in', {
  async start() {
    const port = await freePort();
    const door = await TcpProxy.start(port);
    const login = { username: 'office', password: 'secret-of-the-office' };
    const scene = await Scene.start({
      name: 'dials-in-contract',
      users: [...Array.from({ length: 20 }, (_, i) => ({ id: String(1001 + i) })), { id: '2000' }],
      modules: ['res_websocket_client'],
      withoutPushwake: true,
      dialsIn: { port: door.port, ...login },
    });
    const pbx = { ports: scene.asterisk.ports, linkPort: door, stop: () => scene.close() };
    const dialsIn = { listen: `127.0.0.1:${port}` };
    const options = optionsSchema.parse({ dialsIn, ...login, realm: 'example.com' });
    const harness = await realHarness(pbx, (_, deps) => create(options, deps));
    await harness.told('linkUp');
    return harness;
  },
});
