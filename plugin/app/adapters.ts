/** The adapters that the manifest names, loaded; and the schemas of their options, for the configuration. */
import type { AdapterKind, SchemaOf } from '../../config/load.ts';
import { type AdapterModule, loadAdapters, nodeMistake, readManifest } from '../manifest.ts';
import type { BindingStore } from '../ports/binding-store.ts';
import { ConfigError } from '../ports/config-error.ts';
import type { EventSink } from '../ports/event-sink.ts';
import type { PbxLink } from '../ports/pbx-link.ts';
import type { PushProvider } from '../ports/push-provider.ts';

export interface Adapters {
  readonly pbx: Map<string, AdapterModule<PbxLink>>;
  readonly push: Map<string, AdapterModule<PushProvider>>;
  readonly store: Map<string, AdapterModule<BindingStore>>;
  readonly events: Map<string, AdapterModule<EventSink>>;
}

export async function adapters(): Promise<Adapters> {
  const manifest = readManifest();
  const mistake = nodeMistake(process.versions.node, manifest.platforms.node);
  if (mistake !== undefined) throw new ConfigError(mistake);
  return {
    pbx: await loadAdapters(manifest, 'pbx'),
    push: await loadAdapters(manifest, 'push'),
    store: await loadAdapters(manifest, 'store'),
    events: await loadAdapters(manifest, 'events'),
  };
}

export function schemasOf(found: Adapters): SchemaOf {
  const of = (kind: AdapterKind, type: string) => found[kind].get(type)?.optionsSchema;
  return Object.assign(of, { types: (kind: AdapterKind) => [...found[kind].keys()].sort() });
}
