/**
 * `sofia xmlstatus profile <p> reg|user …`: what FreeSWITCH holds. Pure. Read line by line: only some of the values are escaped,
 * and a Call-ID may hold `</call-id><user>` (RFC 3261 allows both characters), but never a line break.
 */
import { detached } from '../../../../plugin/core/detached.ts';

export interface Registration {
  readonly profile: string;
  readonly callId: string;
  /** `user@domain`, as FreeSWITCH keys it. */
  readonly user: string;
  /** As stored. */
  readonly contact: string;
  readonly agent: string;
  /** Seconds until it is dropped, the late margin included; absent when FreeSWITCH does not say. */
  readonly expiresInSeconds?: number;
}

const ROW =
  /^ *<registration>\r?\n *<call-id>(.*)<\/call-id>\r?\n *<user>(.*)<\/user>\r?\n *<contact>(.*)<\/contact>\r?\n *<agent>(.*)<\/agent>\r?\n *<status>(.*)<\/status>\r?$/gm;

/** Undefined: this is no such answer (no such profile, an error): nothing is known then, which is not "nobody". */
export function readRegistrations(profile: string, xml: string): Registration[] | undefined {
  if (!xml.includes('<registrations>') || !/<\/profile>\s*$/.test(xml)) return undefined;
  return [...xml.matchAll(ROW)].map(([, callId = '', user = '', contact = '', agent = '', status = '']) => {
    const seconds = /expsecs\((-?\d+)\)$/.exec(status)?.[1];
    // The answer lists all phones of the profile: a row that is kept must not keep it.
    return {
      profile,
      callId: detached(callId),
      user: detached(user),
      contact: detached(unescapeXml(contact)),
      agent: detached(unescapeXml(agent)),
      ...(seconds === undefined ? {} : { expiresInSeconds: Number(seconds) }),
    };
  });
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? '');
}

/** Addresses a profile listens on, `host:port`, from `sofia xmlstatus profile <p>`. */
export function ownAddresses(xml: string): string[] {
  const found = new Set<string>();
  for (const [, uri = ''] of xml.matchAll(/<(?:tls-|ws-|wss-)?(?:bind-)?url>([^<]*)<\//g)) {
    const at = /@(\[[^\]]+\]|[^:;>]+)(?::(\d+))?/.exec(uri);
    const port = at?.[2] ?? (/transport=tls/i.test(uri) || uri.startsWith('sips:') ? '5061' : '5060');
    if (at?.[1]) found.add(`${at[1].toLowerCase()}:${port}`);
  }
  return [...found];
}
