/** The listeners of this process, one for each address: PBXs that name the same one share it, for as long as one of them does. */
import { DialInListener, type Expected, type ListenerOptions } from './listener.ts';

interface Shared {
  readonly listener: DialInListener;
  readonly started: Promise<void>;
}

const shared = new Map<string, Shared>();

export interface Place {
  readonly listener: DialInListener;
  leave(): Promise<void>;
}

/** Undefined: another PBX has this username there. Resolves when the port was tried once. */
export async function waitAt(options: ListenerOptions, pbx: Expected): Promise<Place | undefined> {
  const key = `${options.host}:${options.port}`;
  const there = shared.get(key);
  const listener = there?.listener ?? new DialInListener(options);
  if (!listener.expect(pbx)) return undefined;
  const started = there?.started ?? listener.start();
  // Port 0 is another one each time.
  if (!there && options.port !== 0) shared.set(key, { listener, started });
  await started;
  return {
    listener,
    async leave() {
      listener.forget(pbx);
      if (!listener.isUnused) return;
      if (shared.get(key)?.listener === listener) shared.delete(key);
      await listener.close();
    },
  };
}
