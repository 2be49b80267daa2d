/** The PBX contract, kept against a stand-in that speaks from the recordings: runs where there is no FreeSWITCH. */
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/pbx/freeswitch/index.ts';
import { type HarnessCall, type HarnessPhone, pbxLinkContract, type RungCall } from '../contract/pbx-link.contract.ts';
import { FreeswitchStandIn, type StandInInvite } from '../support/freeswitch-stand-in/index.ts';
import { ToldEvents } from '../support/pbx-harness.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const PASSWORD = 'stand-in-secret';

pbxLinkContract('FreeSWITCH (stand-in)', {
  async start() {
    const standIn = await FreeswitchStandIn.start(PASSWORD);
    const proxy = await TcpProxy.start(standIn.port);
    const log = new RecordedLog();
    const told = new ToldEvents();
    const options = { port: proxy.port, password: PASSWORD, realm: 'example.com', expiresLateMargin: 5 };
    const link = create(optionsSchema.parse(options), { clock: systemClock(), log, name: 'office' });
    await link.start(told.add);
    let nextPort = 20_000;
    return {
      link,
      log,
      events: told.events,
      told: (type, fits) => told.told(type, fits),
      async phone(user): Promise<HarnessPhone> {
        const place = `127.0.0.9:${nextPort++}`;
        const callId = randomUUID();
        const rung: RungCall[] = [];
        const waiting: (() => void)[] = [];
        let contact = '';
        standIn.phone(place, (invite) => {
          rung.push(rungCall(invite));
          invite.ring();
          for (const look of waiting.splice(0)) look();
        });
        return {
          async register(params) {
            contact = `"" <sip:${user}@${place};transport=tcp${params}>`;
            standIn.register(`${user}@example.com`, contact, callId);
          },
          async unregister() {
            standIn.unregister(`${user}@example.com`, contact, callId);
          },
          async call(nth = 1) {
            while (rung.length < nth) await new Promise<void>((come) => waiting.push(come));
            return rung[nth - 1] as RungCall;
          },
          get calls() {
            return rung.length;
          },
        };
      },
      async call(user): Promise<HarnessCall> {
        const call = standIn.call(`${user}@example.com`);
        return { status: call.status, cancel: call.cancel, hangup: async () => call.hangup() };
      },
      cut: () => proxy.cut(),
      mend: () => proxy.mend(),
      async stop() {
        await link.stop();
        await proxy.close();
        await standIn.stop();
      },
    };
  },
});

function rungCall(invite: StandInInvite): RungCall {
  return {
    pushId: invite.vars['sip_h_X-Push-ID'],
    text: JSON.stringify([invite.uri, invite.vars]),
    answer: async () => invite.answer(),
    decline: () => invite.refuse('USER_BUSY'),
    cancelled: () => invite.ended.then(() => undefined),
  };
}
