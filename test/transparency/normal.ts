/** Texts with what differs from call to call put away, so that two calls can be compared as text. Pure. */

/** Numbers of channels, calls, ports and moments. */
export function normal(text: string): string {
  return text
    .replace(/(PJSIP|Local|CBAnn)\/([^\s|"&;,]*?)-[0-9a-f]{8}/g, '$1/$2')
    .replace(/\b1\d{9}\.\d+\b/g, '<id>')
    .replace(/\[C-[0-9a-f]{8}\]/g, '')
    .replace(/(CBAnn|ConfBridge)([/|])\d{3,}/g, '$1$2<room>')
    .replace(/BRIDGEPVTCALLID=\S+/g, '')
    .replace(/127\.0\.0\.1:\d+/g, '<here>')
    .replace(/w[0-9a-f]{8}[ds][0-9a-f]{16}/g, '<ref>')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<call>')
    .trim();
}

export function unique(all: readonly string[]): string[] {
  return [...new Set(all)];
}

/** Of one transaction or one connection. */
const OF_THE_MOMENT = new Set(['via', 'call-id', 'cseq', 'content-length', 'max-forwards', 'date', 'session-id']);

export function headers(prefix: string, all: Iterable<readonly [string, string]>): Record<string, string> {
  const seen: Record<string, string[]> = {};
  for (const [name, value] of all) {
    if (OF_THE_MOMENT.has(name.toLowerCase())) continue;
    const text = normal(value.replace(/;tag=[^;>]*/g, '').replace(/<sip:asterisk@[^>]*>/g, '<here>'));
    const key = `${prefix}: ${name}`;
    seen[key] = [...(seen[key] ?? []), text];
  }
  return Object.fromEntries(Object.entries(seen).map(([name, values]) => [name, values.join(', ')]));
}

export function sdp(text: string): string {
  return (
    text
      .trim()
      .replace(/^o=.*$/m, 'o=')
      // Keys, fingerprints and candidates are drawn anew for every call.
      .replace(/inline:\S+/g, 'inline:<key>')
      .replace(/^a=(ice-ufrag|ice-pwd|ssrc|msid|fingerprint:\S+|candidate)\b.*$/gm, 'a=$1 …')
      .replace(/^(m=\w+) \d+/gm, '$1 <port>')
      .replace(/\r?\n/g, ' ')
  );
}

/** A CSV line's fields: Asterisk quotes texts and doubles a quote inside. */
export function fields(line: string): string[] {
  return [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((m) =>
    (m[1] ?? '').replace(/^"|"$/g, '').replaceAll('""', '"'),
  );
}

/** Rows of Master.csv, without their times. */
export function cdrRows(text: string): string {
  return text
    .split('\n')
    .filter(Boolean)
    .map(fields)
    .map((row) => [...row.slice(0, 9), row[14]].join('|'))
    .map(normal)
    .sort()
    .join(' ## ');
}
