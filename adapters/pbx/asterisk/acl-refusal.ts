/** Asterisk's answer to an ARI user whose ACL does not let the asking machine in: not its password is wrong. */
export const isAclRefusal = (status: number, body: unknown): boolean =>
  status === 403 &&
  typeof body === 'object' &&
  body !== null &&
  /\bACL\b/.test(String((body as { message?: unknown }).message));
