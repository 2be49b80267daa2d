/**
 * The JSON Schema of `pushwake.yaml`, for editors and for suggestions: the file's own form with the options of every adapter
 * put where they belong. `config/schema.json` is this, written down; a test fails when the two differ.
 */
import { z } from 'zod';
import type { AdapterKind, SchemaOf } from './adapter-kinds.ts';
import { configSchema } from './schema.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

const toJson = (schema: z.ZodType): JsonSchema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest as JsonSchema;
};

/** The options of one adapter, `type` among them. */
export function adapterSchema(schemaOf: SchemaOf, kind: AdapterKind, type: string): JsonSchema | undefined {
  const options = schemaOf(kind, type);
  if (!options) return undefined;
  const json = toJson(options);
  // Each service may have one of its own; the form stands at `push.proxy`.
  const proxy = { $ref: '#/properties/push/properties/proxy' };
  const ofKind = kind === 'push' ? { proxy } : {};
  return { ...json, properties: { type: { const: type }, ...(json.properties as JsonSchema), ...ofKind } };
}

export function fileSchema(schemaOf: SchemaOf): JsonSchema {
  const root = toJson(configSchema);
  const properties = { ...(root.properties as Record<string, JsonSchema>) };
  for (const kind of ['events', 'pbx', 'push', 'store'] as const) {
    const types = schemaOf.types(kind);
    const all = types.flatMap((type) => adapterSchema(schemaOf, kind, type) ?? []);
    const own = properties[kind] as JsonSchema;
    if (kind === 'store') properties[kind] = { description: 'Where bindings are kept', anyOf: all };
    else {
      // Without `type` an entry is of the type it is named like.
      const byName = Object.fromEntries(types.flatMap((t) => [[t, adapterSchema(schemaOf, kind, t) as JsonSchema]]));
      properties[kind] = {
        ...own,
        ...(kind === 'push'
          ? {
              propertyNames: (properties.pbx as JsonSchema).propertyNames,
              properties: { ...(own.properties as JsonSchema), ...byName },
            }
          : {}),
        additionalProperties: { anyOf: all },
      };
    }
  }
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'pushwake.yaml', ...root, properties };
}

/** The keys that may stand at `path` below `schema`. */
export function keysAt(schema: JsonSchema, path: readonly string[]): readonly string[] {
  let here: JsonSchema | undefined = schema;
  for (const part of path) {
    const properties = here?.properties as Record<string, JsonSchema> | undefined;
    here = properties?.[part] ?? ((here?.items ?? here?.additionalProperties) as JsonSchema | undefined);
  }
  const forms = [here, ...((here?.anyOf as JsonSchema[] | undefined) ?? [])];
  return forms.flatMap((form) => Object.keys((form?.properties as object | undefined) ?? {}));
}
