/** How FreeSWITCH says things: events as it sent them in the lab (`test/transcripts/freeswitch`), with what differs filled in. */
import { readFileSync } from 'node:fs';
import { FrameReader } from '../freeswitch/esl.ts';

const FOLDER = new URL('../../transcripts/freeswitch/', import.meta.url);

/** Raw bytes of a recording. */
export function recording(name: string): Buffer {
  return readFileSync(new URL(name, FOLDER));
}

type Headers = Record<string, string>;
const templates = new Map<string, Headers>();

for (const name of [
  'register-internal-json.esl',
  'wake-intercept-d3-caller-cancel-while-mobile-rings.esl',
  'recommended-r1-mobile-answers.esl',
]) {
  for (const frame of new FrameReader().push(recording(name))) {
    if (frame.headers['Content-Type'] !== 'text/event-json') continue;
    const event = JSON.parse(frame.body) as Headers;
    const key = `${event['Event-Name']} ${event['Event-Subclass'] ?? ''}`.trim();
    if (!templates.has(key)) templates.set(key, event);
  }
}

/** A recorded event of this kind, with these headers instead of its own; an undefined one is left out. */
export function event(kind: string, changes: Readonly<Record<string, string | undefined>>): Buffer {
  const template = templates.get(kind);
  if (!template) throw new Error(`no recording holds ${kind}`);
  const own = Object.entries(template).filter(([name]) => !name.startsWith('variable_'));
  const now = { 'Event-Date-Timestamp': String(Date.now() * 1_000) };
  const body = JSON.stringify({ ...Object.fromEntries(own), ...now, ...changes });
  return frame({ 'Content-Type': 'text/event-json' }, body);
}

export function frame(headers: Headers, body = ''): Buffer {
  const length: Headers = body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const lines = Object.entries({ ...length, ...headers }).map(([name, value]) => `${name}: ${value}\n`);
  return Buffer.from(`${lines.join('')}\n${body}`);
}

/** One row as `sofia xmlstatus` writes it: only some of the values are escaped. */
export function xmlRow(row: { callId: string; user: string; contact: string; seconds: number }): string {
  const escaped = row.contact.replace(
    /[&<>"]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c,
  );
  return `    <registration>
        <call-id>${row.callId}</call-id>
        <user>${row.user}</user>
        <contact>${escaped}</contact>
        <agent>stand-in</agent>
        <status>Registered(TCP)(unknown) exp(2026-11-22 02:24:35) expsecs(${row.seconds})</status>
        <ping-status>Reachable</ping-status>
    </registration>
`;
}

export function xmlProfile(rows: string): string {
  return `<?xml version="1.0" encoding="ISO-8859-1"?>\n<profile>\n  <registrations>\n${rows}  </registrations>\n</profile>\n`;
}
