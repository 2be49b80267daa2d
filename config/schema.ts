/**
 * The form of `pushwake.yaml`, apart from the options of each adapter, which lie beside the adapter. Defaults stand in
 * `core/policy.ts`; the file only says what differs.
 */
import { z } from 'zod';
import { duration } from './duration.ts';
import { httpSchema } from './http-schema.ts';
import { name } from './name.ts';
import { proxySchema } from './proxy-schema.ts';

/** What may be set per app and per AOR pattern; `Policy` in plugin/core/policy.ts says what each number does. */
const policy = z.strictObject({
  ttl: duration.optional().describe('Lifetime of a binding after a REGISTER. Default 7d'),
  unnotifiableTtl: duration
    .optional()
    .describe('The same where the user cannot be notified (the app gave only a VoIP token). Default 30d'),
  neverRegistered: duration
    .optional()
    .describe('A report over HTTP whose account does not register ends after this. Default 12h'),
  refreshFrom: duration.optional().describe('First silent push this long before the end; 0 for none. Default 24h'),
  refreshEvery: duration.optional().describe('Then one per this. Default 1h'),
  refreshSpread: duration.optional().describe('Spreads the first ones of many phones. Default 2h'),
  quietBeforeNotice: duration.optional().describe('No silent push this long before a notice. Default 10min'),
  notices: z.array(duration).optional().describe('"Expires soon" this long before the end. Default [12h, 1h]'),
  onUnregister: z.enum(['end', 'keep']).optional().describe('What a log-out does to the binding. Default end'),
  maxUnansweredWakes: z.int().min(0).max(100).optional().describe('Calls nobody woke up for before it ends. Default 3'),
  maxDevicesPerAor: z.int().min(1).max(100).optional().describe('Default 10'),
  resendAfter: duration
    .optional()
    .describe('A notice whose outcome is unknown (a crash) is sent again after this. Default 2min'),
  putOff: duration
    .optional()
    .describe('First delay when the PBX or the push service cannot be reached; doubles. Default 5min'),
  endingPatience: duration.optional().describe('How long a dead push service may hold up the end. Default 24h'),
  aorMissing: duration
    .optional()
    .describe('An account the PBX no longer knows is asked for again after this. Default 10min'),
  ringTime: duration.optional().describe('How long a phone may ring. Default 45s'),
  freshContact: duration.optional().describe('A UDP contact younger than this counts as awake. Default 30s'),
  retryWake: duration
    .optional()
    .describe('A phone that has not come this long after its call is pushed once more; 0s for never. Default 6s'),
  retryVoip: duration
    .optional()
    .describe('The same for VoIP pushes of iOS, each of which shows a call; 0s for never. Default 0s'),
  showEnded: duration
    .optional()
    .describe(
      'A phone pushed by a VoIP push that comes within this after the end gets INVITE and CANCEL; 0s for never. Default 10s',
    ),
  askToOpen: z
    .boolean()
    .optional()
    .describe('Ask the user once to open the app when pushes do not wake it as they should. Default true'),
  missedCalls: z
    .boolean()
    .optional()
    .describe('Send the user a notice of the calls that the phone slept through. Default false'),
  textsKept: duration
    .optional()
    .describe('A text for a sleeping phone is given up after this (messages.wake). Default 7d'),
  textsMost: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('Texts that wait for one phone; further ones are handled as without pushwake. Default 100'),
  voicemail: z
    .enum(['all', 'urgent', 'none'])
    .optional()
    .describe('Send the user a notice of new voice messages, of the urgent ones only, or of none. Default none'),
  declineEverywhere: z
    .boolean()
    .optional()
    .describe('A 603 at one device ends the call for all devices of the account. Default false'),
});

/** Adapter options are checked by the adapter's own schema in the second step. */
const adapter = z.looseObject({ type: z.string().optional() });

/** What `z.record(name, …)` would say of each key. */
function namesOf(entries: object, check: z.RefinementCtx): void {
  for (const key of Object.keys(entries)) {
    const known = name.safeParse(key);
    if (!known.success)
      check.addIssue({ code: 'invalid_key', origin: 'record', issues: known.error.issues, path: [key], input: key });
  }
}

const ONE_PBX = 'expected at least one PBX by a name of yours, as config/pushwake.yaml shows';

export const configSchema = z.strictObject({
  mode: z
    .enum(['observe', 'full'])
    .default('observe')
    .describe('observe: log what would be sent, rung and removed, and do nothing. full: do it'),
  store: adapter.default({ type: 'sqlite' }),
  pbx: z.record(name, adapter, ONE_PBX).refine((pbx) => Object.keys(pbx).length > 0, ONE_PBX),
  // `proxy` is no service: the one key of `push` that is none.
  push: z
    .object({
      proxy: proxySchema
        .optional()
        .describe('The HTTP proxy to every push service. Default: HTTPS_PROXY and NO_PROXY of the environment'),
    })
    .catchall(adapter)
    .superRefine(namesOf)
    .default({}),
  events: z.record(name, adapter).default({}).describe('Receivers of events: a CRM, a mail gateway'),
  policy: policy.default({}),
  policies: z
    .array(
      z.strictObject({
        name: name
          .optional()
          .describe('Then only for accounts whose pushwake_policy in the directory of FreeSWITCH is this'),
        aor: z.string().optional().describe('Pattern with *, for example 10*@example.com'),
        app: z.string().optional().describe('Pattern of the app, for example *.com.example.phone'),
        policy,
      }),
    )
    .default([])
    .describe('Exceptions; every one that fits is applied, later ones win'),
  calls: z
    .strictObject({
      showCaller: z
        .boolean()
        .default(false)
        .describe("Put the caller's name and number into call pushes, through Apple's, Google's, … servers"),
    })
    .default({ showCaller: false }),
  messages: z
    .strictObject({
      wake: z
        .boolean()
        .default(false)
        .describe('Keep SIP MESSAGEs for phones that sleep, wake them by push, and deliver when they have registered'),
      showText: z
        .boolean()
        .default(false)
        .describe("Put the text itself into the push, through Apple's, Google's, … servers"),
    })
    .default({ wake: false, showText: false }),
  locale: z
    .string()
    .regex(/^[a-z]{2}(-[A-Z]{2})?$/, 'expected a locale such as en or de')
    .default('en'),
  locales: z
    .array(
      z
        .strictObject({
          aor: z.string().optional().describe('Pattern with *, for example 3*@example.com'),
          realm: z.string().optional().describe('A whole realm, for example example.com'),
          locale: z.string(),
        })
        .refine((l) => (l.aor === undefined) !== (l.realm === undefined), 'expected either aor or realm'),
    )
    .default([])
    .describe(
      'Locale per AOR pattern or realm, where the app of a device did not report its language; the first that fits counts, patterns before realms',
    ),
  forgetAfter: duration
    .default(24 * 3_600_000)
    .describe('A PBX unseen for this long no longer holds up the end of bindings'),
  http: httpSchema.default({}),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).default({ level: 'info' }),
});

export type Config = z.output<typeof configSchema>;
export type PolicyConfig = z.output<typeof policy>;
