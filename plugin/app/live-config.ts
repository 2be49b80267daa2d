/**
 * The configuration while pushwake runs, and what was made of it: push providers, PBX links, receivers of events. A checked
 * change replaces only what it is about. `prepare` makes everything that could be refused before `RuntimeChange` touches
 * anything, so that a bad change changes nothing. What cannot change while calls wait stays as it was started.
 */
import { isDeepStrictEqual } from 'node:util';
import { type AdapterConfig, ConfigError, type LoadedConfig } from '../../config/load.ts';
import { type LocaleChooser, loadMessages, localeChooser } from '../../config/messages.ts';
import { policyChooser } from '../../config/policies.ts';
import { realmsOf } from '../../config/realms.ts';
import type { Aor } from '../core/aor.ts';
import type { TextName } from '../core/events.ts';
import type { AdapterModule } from '../manifest.ts';
import type { AdapterDeps, Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSink } from '../ports/event-sink.ts';
import type { PbxLink } from '../ports/pbx-link.ts';
import type { PushProvider } from '../ports/push-provider.ts';
import type { RuntimeChange } from '../runtime/runtime.ts';

/** The adapters a change may make anew. */
export interface Modules {
  readonly pbx: ReadonlyMap<string, AdapterModule<PbxLink>>;
  readonly push: ReadonlyMap<string, AdapterModule<PushProvider>>;
  readonly events: ReadonlyMap<string, AdapterModule<EventSink>>;
}

interface Made<T> {
  readonly of: AdapterConfig;
  readonly value: T;
}

type MadeMap<T> = ReadonlyMap<string, Made<T>>;

/** The parts that are read whenever they are needed. */
interface Parts {
  readonly policyFor: ReturnType<typeof policyChooser>;
  readonly localeOf: LocaleChooser;
  readonly messages: ReturnType<typeof loadMessages>;
  readonly realms: ReadonlyMap<string, string>;
  readonly push: MadeMap<PushProvider>;
  readonly pbx: MadeMap<PbxLink>;
  readonly events: MadeMap<EventSink>;
}

export interface Prepared {
  readonly change: RuntimeChange;
  /** Keys that differ and are applied, `push.apns`, `policy`, … */
  readonly applied: readonly string[];
  /** Keys that differ from what runs and wait for the next start. */
  readonly waiting: readonly string[];
  /** Takes it over; hand `change` to the runtime right after. */
  commit(): void;
}

export class LiveConfig {
  #config: LoadedConfig;
  #parts: Parts;
  readonly #modules: Modules;
  readonly #log: Logger;
  readonly #wire: Clock;
  /** Names of the push services that are configured; the same set for ever. */
  readonly services: Set<string>;

  /** Throws `ConfigError` for what only an adapter can find (an unreadable key). */
  constructor(config: LoadedConfig, modules: Modules, log: Logger, wire: Clock) {
    this.#config = config;
    this.#modules = modules;
    this.#log = log;
    this.#wire = wire;
    this.#parts = this.#make(config, undefined);
    this.services = new Set(Object.keys(config.push));
  }

  /** What holds now: the file last applied, with what waits for a restart as it was started. */
  get config(): LoadedConfig {
    return this.#config;
  }

  get providers(): readonly PushProvider[] {
    return valuesOf(this.#parts.push);
  }

  get links(): readonly PbxLink[] {
    return valuesOf(this.#parts.pbx);
  }

  get sinks(): readonly EventSink[] {
    return valuesOf(this.#parts.events);
  }

  readonly policyFor = (aor: Aor) => this.#parts.policyFor(aor);
  readonly noticeText = (aor: Aor, notice: TextName, reported: string | undefined) =>
    this.#parts.messages.text(this.#parts.localeOf(aor, reported), notice);
  readonly realmOf = (link: string) => this.#parts.realms.get(link) ?? '';

  /** `of`: the entry of the configuration; for what has none of its own, only the name counts. */
  depsFor(name: string, of?: AdapterConfig): AdapterDeps {
    const mode = () => this.#config.mode;
    return {
      clock: this.#wire,
      log: this.#log,
      name,
      ...(of?.proxy && { proxy: of.proxy }),
      get observing() {
        return mode() === 'observe';
      },
    };
  }

  /** Makes what a new file needs. Throws `ConfigError`, and has changed nothing then. */
  prepare(next: LoadedConfig): Prepared {
    const before = this.#parts;
    const parts = this.#make(next, before);
    const config = this.#merged(next);
    const applied = differing(this.#config, config);
    return {
      applied,
      waiting: differing(config, next),
      change: {
        settings: {
          mode: config.mode,
          showCaller: config.calls.showCaller,
          messages: config.messages,
          forgetAfterMs: config.forgetAfter,
        },
        ...(sameValues(before.push, parts.push) ? {} : { providers: valuesOf(parts.push) }),
        ...(sameValues(before.events, parts.events) ? {} : { sinks: valuesOf(parts.events) }),
        linksGone: [...before.pbx].flatMap(([name, made]) => (parts.pbx.get(name)?.value === made.value ? [] : [name])),
        linksNew: [...parts.pbx].flatMap(([name, made]) =>
          before.pbx.get(name)?.value === made.value ? [] : [made.value],
        ),
      },
      commit: () => {
        this.#config = config;
        this.#parts = parts;
        this.services.clear();
        for (const name of parts.push.keys()) this.services.add(name);
      },
    };
  }

  #make(config: LoadedConfig, before: Parts | undefined): Parts {
    const made: { close(): unknown }[] = [];
    try {
      const messages = loadMessages();
      const localeOf = localeChooser(config, messages);
      const push = makeAll(config.push, this.#modules.push, before?.push, (n, of) => this.depsFor(n, of), made);
      const events = makeAll(config.events, this.#modules.events, before?.events, (n) => this.depsFor(n), made);
      const pbx = makeAll(config.pbx, this.#modules.pbx, before?.pbx, (n) => this.depsFor(n));
      const policyFor = policyChooser(config, unknownPolicy(config, this.#log));
      return { policyFor, localeOf, messages, realms: realmsOf(config), push, pbx, events };
    } catch (error) {
      // Links are made last and do nothing before `start`; the others may hold connections.
      for (const one of made) void Promise.resolve(one.close()).catch(() => undefined);
      throw error;
    }
  }

  /** The new file, with what cannot change now as it is. */
  #merged(next: LoadedConfig): LoadedConfig {
    const { store, http } = this.#config;
    const { devices: _, admin: nextAdmin, ...rest } = next.http;
    // An address that others reach must never be left with the tokens of one that only this machine reaches.
    const sameDoor =
      http.admin !== undefined &&
      nextAdmin !== undefined &&
      isDeepStrictEqual(http.admin.listen, nextAdmin.listen) &&
      isDeepStrictEqual(http.admin.tls, nextAdmin.tls);
    const admin = sameDoor ? nextAdmin : http.admin;
    return {
      ...next,
      store,
      http: { ...rest, ...(admin ? { admin } : {}), ...(http.devices ? { devices: http.devices } : {}) },
    };
  }
}

function unknownPolicy(config: LoadedConfig, log: Logger) {
  const known = config.policies.flatMap((p) => p.name ?? []).join(', ') || 'none';
  return (policy: string, aor: Aor) =>
    log.warn(
      { aor, policy, known },
      'the directory names a policy that is not in `policies`: its accounts live by the default',
    );
}

function makeAll<T>(
  entries: Readonly<Record<string, AdapterConfig>>,
  modules: ReadonlyMap<string, AdapterModule<T>>,
  before: MadeMap<T> | undefined,
  depsFor: (name: string, of: AdapterConfig) => AdapterDeps,
  made?: { close(): unknown }[],
): MadeMap<T> {
  const mistakes: string[] = [];
  const all = new Map(
    Object.entries(entries).flatMap(([name, of]): [string, Made<T>][] => {
      const known = before?.get(name);
      if (known && isDeepStrictEqual(known.of, of)) return [[name, known]];
      try {
        const value = (modules.get(of.type) as AdapterModule<T>).create(of.options, depsFor(name, of));
        if (made) made.push(value as T & { close(): unknown });
        return [[name, { of, value }]];
      } catch (error) {
        // The others are tried all the same: all mistakes at once.
        if (!(error instanceof ConfigError)) throw error;
        mistakes.push(error.message);
        return [];
      }
    }),
  );
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  return all;
}

const valuesOf = <T>(all: MadeMap<T>): T[] => [...all.values()].map((m) => m.value);

const sameValues = <T>(a: MadeMap<T>, b: MadeMap<T>): boolean =>
  isDeepStrictEqual([...a.keys()], [...b.keys()]) && [...a].every(([name, made]) => b.get(name)?.value === made.value);

/** Names what differs, the entries of sections one by one: `push.apns`, `pbx.office`, `http.admin`, `policy`. */
function differing(a: LoadedConfig, b: LoadedConfig): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof LoadedConfig>;
  return [...keys].flatMap((key) => {
    if (isDeepStrictEqual(a[key], b[key])) return [];
    if (key !== 'pbx' && key !== 'push' && key !== 'events' && key !== 'http') return [key];
    const [x, y] = [a[key] as Record<string, unknown>, b[key] as Record<string, unknown>];
    const names = new Set([...Object.keys(x), ...Object.keys(y)]);
    return [...names].filter((name) => !isDeepStrictEqual(x[name], y[name])).map((name) => `${key}.${name}`);
  });
}
