/** The garbage of this process: how much of its heap is in use once everything that can go is gone, and a moment in which it goes. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** All of it now, and so not by V8's threads in a moment that is measured. */
export const collectGarbage = (): void => collect();

/** Bytes of objects and buffers that something still holds. */
export function bytesHeld(): number {
  collect();
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}
