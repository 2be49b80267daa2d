/** The options of the webhook provider. */
import { z } from 'zod';
import { secretSchema, urlSchema } from '../../shared/signature.ts';

export const optionsSchema = z.strictObject({
  url: urlSchema.describe('Gets every push of this service as a POST.'),
  secret: secretSchema,
  connections: z.int().min(1).max(8).default(2).describe('HTTP/2 connections.'),
  requestTimeoutMs: z.int().min(50).max(30_000).default(5_000).describe('How long to wait for an answer.'),
  ca: z.string().optional().describe('PEM text of the certificate authority, where it is one of your own.'),
});
