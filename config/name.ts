import { z } from 'zod';

/** What administrators call their PBXs, services and tokens; shows in logs and metrics. */
export const name = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'expected a short name of letters, digits, "-" or "_"');
