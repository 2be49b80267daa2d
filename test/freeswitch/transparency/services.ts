/** What FreeSWITCH has beside a dialplan in the table: a call center, a fifo, a parking lot, a place where calls are picked up. */

import { user } from './cases.ts';

type Actions = readonly (readonly [application: string, data: string])[];

export const MODULES: readonly string[] = ['mod_callcenter', 'mod_fifo', 'mod_valet_parking'];

/** Where somebody else calls: `taket` of calls through us, `takep` of plain ones. `{W}` is that letter. */
export const SIDE_EXTENSIONS: Readonly<Record<string, Actions>> = {
  take: [['intercept', `\${hash(select/pickup/{W})}`]],
  // Called by a leg of loopback.
  aside: [
    ['export', 'nolocal:media_mix_inbound_outbound_codecs=true'],
    ['bridge', user('3000')],
  ],
  pick: [['pickup', 'sales{W}']],
  park: [
    ['set', 'valet_hold_music=silence'],
    ['valet_park', 'lot{W} 7001'],
  ],
};

const WAYS = ['p', 't'] as const;

/** The agent and the member are an extension each, so that both ways of calling have the same legs. */
const member = (way: string) => `loopback/agent${way}/default`;

export const CONFIGURATIONS = `
<configuration name="callcenter.conf"><settings/>
<queues>${WAYS.map(
  (way) => `<queue name="queue${way}"><param name="strategy" value="ring-all"/>
<param name="moh-sound" value="silence"/><param name="tier-rules-apply" value="false"/></queue>`,
).join('')}</queues>
<agents>${WAYS.map(
  (way) => `<agent name="agent${way}" type="callback" contact="[call_timeout=10]${member(way)}" status="Available"
 max-no-answer="0" wrap-up-time="0" reject-delay-time="0" busy-delay-time="0"/>`,
).join('')}</agents>
<tiers>${WAYS.map((way) => `<tier agent="agent${way}" queue="queue${way}" level="1" position="1"/>`).join('')}</tiers>
</configuration>
<configuration name="fifo.conf"><settings><param name="delete-all-outbound-member-on-startup" value="true"/></settings>
<fifos>${WAYS.map(
  (way) =>
    `<fifo name="fifo${way}" importance="0"><member timeout="20" simo="1" lag="0">${member(way)}</member></fifo>`,
).join('')}</fifos></configuration>
<configuration name="valet_parking.conf"><settings/></configuration>`;
