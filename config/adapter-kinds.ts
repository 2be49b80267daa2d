/** Which kinds of adapters a configuration names, and how the program describes their options. */
import type { z } from 'zod';

/** Kinds of adapters that are configured. */
export type AdapterKind = 'events' | 'pbx' | 'push' | 'store';

/** The adapters there are. */
export interface SchemaOf {
  /** The schema of one adapter's options, or undefined when there is no adapter of that type. */
  (kind: AdapterKind, type: string): z.ZodType | undefined;
  /** Every type of a kind, in order. */
  types(kind: AdapterKind): readonly string[];
}
