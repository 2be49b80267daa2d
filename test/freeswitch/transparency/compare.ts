/**
 * What may differ on FreeSWITCH, and why: each rule takes its difference out of what was seen, and nothing else. What is left must be
 * equal. The table of docs/limits.md is made of these rules.
 */
import type { Seen } from './bench.ts';
import type { Case } from './cases.ts';

export interface Explained {
  /** As the documentation says it. */
  readonly what: string;
  readonly why: string;
  /** What was seen through pushwake, as it would be without this difference. */
  readonly mend: (place: string, text: string, plain: string, of: Case) => string;
}

/** Variables of ours, and those that say which legs were dialled. */
const OUR_VARIABLES =
  /: (?:pushwake_\w+|sip_h_X-Push-ID|sip_exclude_contact|null_no_pre_answer|originated_legs|ignore_early_media|execute_on_\w+|api_on_originate_pushwake|dialed_\w+|last_bridge_\w+|user_name|domain_name|number_alias|originator|instant_ringback|ent_originate_aleg_uuid|media_mix_inbound_outbound_codecs|fail_on_single_reject|export_vars)$/;

/** Causes of a phone whose call somebody else has. */
const TAKEN: ReadonlySet<string> = new Set(['LOSE_RACE', 'PICKED_OFF']);

export const EXPLAINED: readonly Explained[] = [
  {
    what: 'our part is seen: `pushwake_…`, `dialed_user` and the like among the variables of the channels, `X-Push-ID` in the INVITE of a pushed phone, whose Request-URI and To are without its push tokens; To of a woken phone of Linphone’s library names its account',
    why: 'they say what was dialled; the app pairs push and call by the id, and files the call by To; a token is nobody’s business but ours',
    mend: (place, text, plain) => {
      if (OUR_VARIABLES.test(place)) return plain;
      if (place.endsWith(': X-Push-ID')) return '';
      if (/INVITE at .*: To$/.test(place)) {
        const [, user] = /^<sip:([^@;>]+)@[^;>]+>$/.exec(text) ?? [];
        const isAccount = user !== undefined && plain.includes(`<sip:${user}@`);
        return isAccount || plain.replace(/;pn-[^>]*/, '') === text ? plain : text;
      }
      return text;
    },
  },
  {
    what: 'the caller hears ringing (180) while the phone still wakes',
    why: 'somebody who waits must hear something',
    mend: (place, text, plain) => {
      if (place === 'caller gets') return text === `180 ${plain}` ? plain : text;
      return place === 'answer at the caller: Accept' && text === '' ? plain : text;
    },
  },
  {
    what: 'a woken phone takes the caller over like a pickup: `original_…`, `pre_transfer_…` and `channel_cid_flipped` say so on both channels, other phones end with PICKED_OFF for LOSE_RACE or the other way round (those of an enterprise dial string, `:_:`, with ORIGINATOR_CANCEL), DIALSTATUS is CANCEL where a colleague picks the call up, and the caller is shown who he called; the phone’s record of a call center has the name that the caller shows; the caller’s dialplan does not go on after the talk',
    why: 'it is dialled outside the caller’s own bridge, which FreeSWITCH does not extend by a leg',
    mend: (place, text, plain, { ring }) =>
      (place === 'answer at the caller: Remote-Party-ID' && text !== '') ||
      (/^(?:cause of|variable of .*: hangup_cause)/.test(place) &&
        TAKEN.has(plain) &&
        (TAKEN.has(text) || (ring.includes(':_:') && text === 'ORIGINATOR_CANCEL'))) ||
      (place.startsWith('end at ') &&
        ring.includes(':_:') &&
        plain.includes('Call completed elsewhere') &&
        text.includes('ORIGINATOR_CANCEL')) ||
      (place === 'variable of the caller: DIALSTATUS' && TAKEN.has(plain) && text === 'CANCEL') ||
      (place === 'CDR of the phone' && text === plain.replace(/^2000\|/, 'The Caller|')) ||
      /: park_after_bridge$/.test(place) ||
      (plain.includes('SUCCESS') &&
        (place === 'the dialplan goes on' || /(?:cause of|of) the caller(?:: hangup_cause)?$/.test(place))) ||
      /^variable of .*: (?:original_(?:caller|dest)\w+|pre_transfer_\w+|channel_cid_flipped|bridge_pre_execute_\w+)$/.test(
        place,
      )
        ? plain
        : text,
  },
  {
    what: '`bypass_media` and `proxy_media`: the media of a call to a phone that can be woken goes through FreeSWITCH, and both get its SDP; early media of such a phone is not heard, the caller hears ringing',
    why: 'where several phones may answer, FreeSWITCH itself passes on no media of one of them before the answer',
    mend: (place, text, plain) => {
      if (
        place.startsWith('SDP at') &&
        text.includes('s=FreeSWITCH') &&
        /s=-|^v=0 o= s=FreeSWITCH .*RTP\/AVP 0 a=rtpmap:0/.test(plain)
      )
        return plain;
      if (
        /: (?:original_read_\w+|signal_bridge|dtmf_type|bypass_media|proxy_media|hears early media)$/.test(`: ${place}`)
      )
        return plain;
      return place === 'caller gets' && plain.startsWith('183+sdp') ? text.replace(/^180/, '183+sdp') : text;
    },
  },
];

/** Places where two calls differ, with both texts, after what is explained. */
export function differences(of: Case, plain: Seen, through: Seen): string[] {
  const places = [...new Set([...Object.keys(plain), ...Object.keys(through)])].sort();
  return places.flatMap((place) => {
    const left = plain[place] ?? '';
    let right = through[place] ?? '';
    for (const { mend } of EXPLAINED) right = mend(place, right, left, of);
    return left === right ? [] : [`${place}\n      plain:   ${left}\n      through: ${right}`];
  });
}
