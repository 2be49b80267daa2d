/** Why a REGISTER that asks for push is none of ours: a word for the administrator, who most often left something out. Pure. */
import { parseAor, servesAor } from '../../../../plugin/core/aor.ts';
import { dialableUri } from '../../../../plugin/core/contact-uri.ts';
import { visible } from '../../../../plugin/core/visible.ts';
import type { FreeswitchOptions } from '../options.ts';
import { readStored } from './parse.ts';

export interface WhyNotBound {
  readonly reason: string;
  readonly remedy: string;
}

/** As RFC 8599, Linphone's older form and mod_apn write it; also where a comma or a quote spoils the URI around it. */
const ASKS_FOR_PUSH = /[;&?](?:pn-(?:prid|provider|tok|type)|app-id)=/i;

/** Why a contact that asks for push is never dialled through pushwake. Undefined: it is, or it does not ask. */
export function whyNotDialled(contact: string, uri: string): string | undefined {
  if (!ASKS_FOR_PUSH.test(contact)) return undefined;
  // FreeSWITCH takes it for the beginning of another destination, also behind a push parameter, which we leave out.
  if (uri.includes(',')) return 'the character ,';
  const dialable = dialableUri(uri);
  return dialable.ok ? undefined : dialable.reason;
}

/** Undefined: it does not ask for push, or nothing is wrong with it. */
export function whyNotBound(
  { user, profile, contact }: { readonly user: string; readonly profile: string; readonly contact: string },
  { profiles, realm }: Pick<FreeswitchOptions, 'profiles' | 'realm'>,
): WhyNotBound | undefined {
  if (!ASKS_FOR_PUSH.test(contact)) return undefined;
  if (!profiles.includes(profile)) {
    return {
      reason: `it registered with the SIP profile ${named(profile)}, which \`profiles\` does not name`,
      remedy: `add ${named(profile)} to \`profiles\` in pushwake.yaml; \`sofia status\` lists the profiles`,
    };
  }
  const aor = parseAor(user);
  if (!aor) {
    return {
      reason: 'its account has a character that no account of pushwake may have',
      remedy: 'letters, digits and . _ ~ + - * # are taken; a domain has letters, digits, dots and hyphens',
    };
  }
  if (!servesAor([realm].flat().join(' '), aor)) {
    const domain = named(user.slice(user.lastIndexOf('@') + 1));
    return {
      reason: `FreeSWITCH knows the account in the domain ${domain}, which \`realm\` does not name`,
      remedy: `write \`realm: ${domain}\` in pushwake.yaml, or "*" for every domain, and the same domain in the dialplan`,
    };
  }
  if (readStored(contact)) return undefined;
  return {
    reason: contact.includes(',') ? 'its Contact holds a comma, and is no SIP URI' : 'its Contact is no SIP URI',
    remedy:
      'the app must write a SIP URI with pn-provider, pn-param and pn-prid before the ">" (RFC 8599; docs/which-app.md)',
  };
}

/** Names of profiles and domains are the PBX's own, and yet not to be trusted at a terminal. */
const named = (text: string) => visible(text.slice(0, 64));
