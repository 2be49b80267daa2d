/** The options of an event webhook. */
import { z } from 'zod';
import { secretSchema, urlSchema } from '../../shared/signature.ts';

const names = [
  'bound',
  'renewed',
  'warned',
  'ended',
  'woken',
  'missed',
  'troubled',
  'recovered',
  'text-expired',
] as const;

export const optionsSchema = z.strictObject({
  url: urlSchema.describe('Gets each event as a POST.'),
  secret: secretSchema,
  only: z.array(z.enum(names)).min(1).optional().describe('The events wanted. Default: all but renewed.'),
  requestTimeoutMs: z.int().min(50).max(30_000).default(10_000).describe('How long to wait for an answer.'),
  ca: z.string().optional().describe('PEM text of the certificate authority, where it is one of your own.'),
});
