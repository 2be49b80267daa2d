/**
 * Who may use our ARI user: Asterisk's ACL per user of ari.conf. Versions that do not know it refuse the whole of ari.conf for such a line, so
 * it is written only for a version that is known to have it. Pure.
 */

/** The first minor version of each branch that has the ACL; every later branch has it. 21 ended without. */
const SINCE: Readonly<Record<number, number>> = { 20: 19, 22: 9, 23: 3 };
const LAST_LISTED = 23;

/** `version` is what `asterisk -V` says, as `22.10.1`; undefined: it is not known. */
function knowsAriAcl(version: string | undefined): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (major === undefined) return false;
  const since = SINCE[Number(major)];
  return since === undefined ? Number(major) > LAST_LISTED : Number(minor) >= since;
}

const ACL_LINE = /^\s*(?:deny|permit|acl)\s*=.*$/gm;

/**
 * The lines for the section of our user. In a file that is there already they are the administrator's: a second pushwake may use it from another
 * machine. `host`: where ARI answers, which is where a pushwake on this machine comes from.
 */
export function aclLines(existing: string | undefined, version: string | undefined, host: string): readonly string[] {
  if (existing !== undefined) return existing.match(ACL_LINE)?.map((line) => line.trim()) ?? [];
  if (!knowsAriAcl(version)) return [];
  const own = /^(?:127\.|\[?::1\]?$|localhost$)/.test(host) ? [] : addressOf(host);
  if (own === undefined) return [];
  return [
    'deny = 0.0.0.0/0.0.0.0',
    'deny = ::/0',
    'permit = 127.0.0.0/255.0.0.0',
    'permit = ::1/128',
    ...own.map((address) => `permit = ${address}`),
  ];
}

/** Undefined: a name, whose addresses are not known here. */
function addressOf(host: string): readonly string[] | undefined {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (/^\d+(?:\.\d+){3}$/.test(bare)) return [`${bare}/255.255.255.255`];
  return bare.includes(':') ? [`${bare}/128`] : undefined;
}
