/** Texts with what differs from call to call put away, so that two calls can be compared as text. Pure. */
import type { EslHeaders } from '../../support/freeswitch/index.ts';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Numbers of channels, calls, ports and moments. */
export function normal(text: string): string {
  return text
    .replace(UUID, '<uuid>')
    .replace(/127\.0\.0\.1:\d+/g, '<here>')
    .replace(/\b([pt])\d+\b/g, '<number>')
    .replace(/\b(inner|aside|take|pick|park|lot|sales|queue|agent|fifo)[pt]\b/g, '$1')
    .replace(/-[ab]\b/g, '')
    .trim();
}

export function unique<T>(all: readonly T[]): T[] {
  return [...new Set(all)];
}

/** Of one transaction or one connection. */
const OF_THE_MOMENT = new Set(['via', 'call-id', 'cseq', 'content-length', 'max-forwards', 'date', 'x-fs-support']);

export function headers(prefix: string, all: Iterable<readonly [string, string]>): Record<string, string> {
  const seen: Record<string, string[]> = {};
  for (const [name, value] of all) {
    if (OF_THE_MOMENT.has(name.toLowerCase())) continue;
    const key = `${prefix}: ${name}`;
    seen[key] = [...(seen[key] ?? []), normal(value.replace(/;tag=[^;>]*/g, ''))];
  }
  return Object.fromEntries(Object.entries(seen).map(([name, values]) => [name, values.join(', ')]));
}

export function sdp(text: string): string {
  return text
    .trim()
    .replace(/^o=.*$/m, 'o=')
    .replace(/^(m=\w+) \d+/gm, '$1 <port>')
    .replace(/(inline:)\S+/g, '$1<key>')
    .replace(/^(a=rtcp:)\d+/gm, '$1<port>')
    .replace(/\r?\n/g, ' ');
}

/** What is of one moment, one channel, one connection, or counted. */
const VOLATILE =
  /^(?:uuid|_sofia_replaces_|group_dial_status$|(?:text|video|audio)_media_flow$|Event-|u?m?duration$|FreeSWITCH-|Core-|proto_specific_hangup_cause$|call_uuid|session_id|sip_(?:hangup_disposition|allow|from_display|from_user|to_host|to_user|invite_failure_\w+|call_id|via_|(?:full_)?via|to_tag|from_tag|cseq|invite_call_id|local_sdp_str|remote|network|received|reply|contact|recover|full|invite_stamp|use_pt|term|replaces|from_(?:uri|port)|to_(?:uri|port)|req|outgoing|nat|history|h_P-Key|authorized|acl|P-|invite_cseq|user_agent|destination_url|auth|hangup_phrase|invite_(?:record|from|to|contact|params|full)|rh|ph)|.*(?:_epoch|_uepoch|_stamp|msec|usec|sec|_time|_ip|_port|_timestamp)$|rtp_(?:audio|local|use|last|2833|remote|secure)|remote_|local_|advertised_|switch_|last_(?:arg|app|sent)|bridge_(?:channel|to|uuid|.*cause)|signal_bond|originat(?:e|or|ing|ion)_|last_bridge_(?:to|role)|last_sent|current_app|RFC2822|channel_name|ep_codec|DP_|audio_media|read_|write_|.*ms$|zrtp|call_|cc_|fifo_|playback_|media_|hold_|transfer_|intercept|presence_call|endpoint_disp|max_forwards|event_channel|digits_dialed|core_|hostname|domain_uuid|user_uuid|is_outbound|caller_id|flip|.*_start|caller$)/;

/** Variables of a channel at its end that may be compared, by name. */
export function variables(event: EslHeaders): readonly (readonly [string, string])[] {
  return Object.entries(event)
    .filter(([name]) => name.startsWith('variable_'))
    .map(([name, value]) => [name.slice('variable_'.length), normal(String(value))] as const)
    .filter(([name]) => !VOLATILE.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
