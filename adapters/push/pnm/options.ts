/** The options of the Acrobits provider. None is needed: `pnm: {}` pushes to every Acrobits app that reports its tokens. */
import { z } from 'zod';

const endpoint = z.strictObject({
  address: z.string().min(1),
  port: z.int().min(1).max(65_535),
  ca: z.string().optional().describe('PEM text of the certificate authority.'),
});

export const optionsSchema = z.strictObject({
  url: z
    .url({ protocol: /^https$/, error: 'expected an https URL' })
    .default('https://pnm.cloudsoftphone.com/pnm2/send')
    .describe('Where Acrobits takes pushes for its apps.'),
  callerFields: z
    .boolean()
    .default(false)
    .describe(
      'With calls.showCaller: send the caller as UserDisplayName and UserName. Not in the documentation of calls.',
    ),
  connections: z.int().min(1).max(8).default(2).describe('HTTP/2 connections.'),
  requestTimeoutMs: z.int().min(50).max(30_000).default(5_000).describe('How long to wait for an answer.'),
  endpoint: endpoint.optional().describe('In place of the host of `url`. For tests.'),
});

export type PnmOptions = z.output<typeof optionsSchema>;
