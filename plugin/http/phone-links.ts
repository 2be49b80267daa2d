/** The administrator's side of the phone for the browser: a code of one use for an account, which `pushwake phone` makes a link of. */
import { type Aor, parseAor } from '../core/aor.ts';
import { ACCOUNT, type Routes } from './listener.ts';
import { originOf } from './phone.ts';
import type { PhoneCodes } from './phone-codes.ts';

export interface PhoneLinkOptions {
  readonly codes: PhoneCodes;
  readonly serves: (aor: Aor) => boolean;
  /** Whether a PBX knows the account. Undefined: nobody could say. */
  readonly exists: (aor: Aor) => Promise<boolean | undefined>;
  /** `http.devices.phone.wss`. */
  readonly wss: readonly string[];
  /** Where browsers reach the page, without `/phone/`. Undefined: nobody has said it. */
  readonly page: string | undefined;
}

/** What `POST /v1/phone-links` answers. */
export interface PhoneLink {
  readonly code: string;
  readonly expiresAt: string;
  readonly page?: string;
  /** Every PBX of its realm has answered that it knows no such account: the page will be refused. */
  readonly unknown?: true;
}

/** `phone` undefined: it is off. The route is there all the same, and says so. */
export function phoneLinkRoutes(phone: PhoneLinkOptions | undefined): Routes {
  return (server) => {
    server.post<{ Body: { account: string; wss?: string } }>(
      '/v1/phone-links',
      {
        config: { role: 'operate' },
        schema: {
          summary: 'Makes a code that logs one browser in as an account, within ten minutes',
          body: {
            type: 'object',
            required: ['account'],
            additionalProperties: false,
            properties: {
              account: ACCOUNT,
              wss: {
                type: 'string',
                maxLength: 500,
                description:
                  'Where this browser reaches the PBX: an address of the hosts that http.devices.phone.wss lists',
              },
            },
          },
        },
      },
      async ({ body: { account, wss } }, reply) => {
        if (!phone) return reply.code(409).send({ error: OFF });
        const aor = parseAor(account);
        if (!aor || !phone.serves(aor)) {
          return reply.code(404).send({ error: 'no PBX of the configuration has such an account' });
        }
        // The policy of the page names the only hosts it may connect to, also when it is opened again later.
        if (wss !== undefined && !(URL.canParse(wss) && phone.wss.some((one) => originOf(one) === originOf(wss)))) {
          return reply.code(409).send({ error: NOT_LISTED });
        }
        const { code, expiresAt } = phone.codes.issue(aor, wss);
        const link: PhoneLink = {
          code,
          expiresAt: new Date(expiresAt).toISOString(),
          ...(phone.page !== undefined && { page: phone.page }),
          ...((await phone.exists(aor)) === false && { unknown: true as const }),
        };
        return reply.code(201).send(link);
      },
    );
  };
}

const OFF =
  'the phone for the browser is off; write `http: { devices: { phone: true } }` into the configuration and start pushwake anew';
const NOT_LISTED =
  'the page may connect to the hosts of http.devices.phone.wss only; add the address there (it may be a list) and start pushwake anew';
