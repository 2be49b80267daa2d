/** The options of one FreeSWITCH in `pushwake.yaml`, under `pbx.<name>`. */
import { z } from 'zod';

const domain = z
  .string()
  .regex(/^(\*|[A-Za-z0-9.-]+)$/, 'expected a host name, for example example.com, or * for every domain of this PBX');
const profile = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected the name of a SIP profile, for example internal');

export const optionsSchema = z.strictObject({
  host: z
    .string()
    .regex(/^[0-9A-Za-z.:-]+$/, 'expected a host name or an address')
    .default('127.0.0.1')
    .describe('listen-ip of event_socket.conf'),
  port: z.int().min(1).max(65_535).default(8021).describe('listen-port of event_socket.conf'),
  password: z
    .string()
    .regex(/^[^\s]+$/, 'expected a password without blanks')
    .describe('password of event_socket.conf; better a placeholder (file or environment) than the text itself'),
  realm: z
    .union([domain, z.array(domain).min(1)])
    .describe('The domain of this PBX’s accounts, or a list of them: user 1001 is 1001@domain'),
  profiles: z.array(profile).min(1).default(['internal']).describe('SIP profiles the phones register with'),
  node: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected letters, digits, "-" or "_"')
    .default('pushwake')
    .describe('Name of this pushwake at the PBX. Two nodes beside one PBX need two names: one works, one stands by'),
  expiresLateMargin: z
    .int()
    .min(0)
    .max(86_400)
    .default(60)
    .describe('sip-expires-late-margin of the profiles, in seconds: how long a contact is kept after its time'),
  via: z
    .record(
      z.string(),
      z
        .string()
        .regex(
          /^[A-Za-z0-9_]+\/[A-Za-z0-9@._:+/-]*\{user\}[A-Za-z0-9@._:+/-]*$/,
          'expected a dial string with {user} in it, for example sofia/gateway/branch/{user}',
        ),
    )
    .default({})
    .describe('How a phone that registers with another PBX of this configuration (its name) is rung from here'),
});

export type FreeswitchOptions = z.infer<typeof optionsSchema>;
