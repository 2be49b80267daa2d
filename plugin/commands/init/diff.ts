/** What would change, as `diff -u` shows it, with secrets left out: a dry run is often pasted into a ticket. */

const CONTEXT = 2;
const SECRET = /((?:password|secret)"?\s*(?:=|:|value=)\s*"?)[^\s"<]+/gi;

/** Lines common to both at the start and the end are left out; good enough for a handful of inserted lines. */
export function unifiedDiff(path: string, before: string | undefined, after: string): string {
  const [a, b] = [linesOf(before ?? ''), linesOf(after)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const from = Math.max(0, start - CONTEXT);
  const until = Math.min(end, CONTEXT);
  const removed = a.slice(start, a.length - end);
  const added = b.slice(start, b.length - end);
  const lead = a.slice(from, start);
  const trail = a.slice(a.length - end, a.length - end + until);
  const count = (changed: readonly string[]) => lead.length + changed.length + trail.length;
  return [
    `--- ${before === undefined ? '/dev/null' : path}`,
    `+++ ${path}`,
    `@@ -${before === undefined ? 0 : from + 1},${count(removed)} +${from + 1},${count(added)} @@`,
    ...lead.map((l) => ` ${l}`),
    ...removed.map((l) => `-${l}`),
    ...added.map((l) => `+${l}`),
    ...trail.map((l) => ` ${l}`),
  ]
    .join('\n')
    .replace(SECRET, '$1…');
}

const linesOf = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));
