import type { SipPhone } from './sip-phone/index.ts';

/** The bodies of the SIP MESSAGEs that a phone got, oldest first. */
export const textsOf = (phone: SipPhone): string[] =>
  phone.log
    .find(/^MESSAGE /)
    .filter((e) => e.direction === 'received')
    .map((e) => e.text.split('\r\n\r\n')[1] ?? '');
