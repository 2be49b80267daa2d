/** Address-of-record: the account, `1001@example.com` (RFC 3261 §6). Knows the form, not who owns it. */
export type Aor = string & { readonly __aor: unique symbol };

/** User part: what Asterisk and FreeSWITCH accept as an AOR or user id without quoting. Realm: host characters. */
const AOR = /^[0-9A-Za-z._~+*#%-]{1,128}@[0-9A-Za-z.-]{1,253}$/;

/** Reads an AOR, or answers undefined when the text is none. The realm is folded to lower case (it is a host name). */
export function parseAor(text: string): Aor | undefined {
  if (!AOR.test(text)) return undefined;
  const at = text.lastIndexOf('@');
  return `${text.slice(0, at)}@${text.slice(at + 1).toLowerCase()}` as Aor;
}

/** The AOR of a PBX's own id: `1001` in realm `example.com`; an id that already holds an `@` is taken as it is. */
export function aorOf(id: string, realm: string): Aor | undefined {
  return parseAor(id.includes('@') ? id : `${id}@${realm}`);
}

export function aorUser(aor: Aor): string {
  return aor.slice(0, aor.lastIndexOf('@'));
}

export function aorRealm(aor: Aor): string {
  return aor.slice(aor.lastIndexOf('@') + 1);
}

/** Whether an account is one of these realms: one, several with blanks between, or `*` for every one. Case does not matter. */
export function servesAor(realms: string, aor: Aor): boolean {
  return realms.split(' ').some((realm) => realm === '*' || realm.toLowerCase() === aorRealm(aor));
}
