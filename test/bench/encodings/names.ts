/** Names of fields, in the order of their numbers, as a compact form would fix them for ever: new ones at the end. */
export const NAMES: readonly string[] = [
  ...['format', 'aor', 'version', 'dueAt', 'bindings', 'tombstones', 'missingSince', 'id', 'createdAt', 'evidence'],
  ...['instanceId', 'installId', 'formerTokens', 'targets', 'call', 'other', 'provider', 'app', 'token', 'environment'],
  ...['selector', 'library', 'contacts', 'pbx', 'uri', 'seenAt', 'grantedMs', 'seenExpiry', 'expiresAt', 'lookedAt'],
  ...['renewedAt', 'endsAt', 'sent', 'notice', 'offsetMs', 'at', 'done', 'lastRefreshAt', 'unansweredWakes', 'wakes'],
  ...['choice', 'policy', 'locale', 'claim', 'ending', 'reason', 'since', 'contact', 'tokens', 'endedAt'],
];
