/** What the measurements of the push suite share. */

/** Keeps `concurrency` pushes in flight until `count` are done. CPU is this process's. */
export async function run(
  count: number,
  concurrency: number,
  one: (i: number) => Promise<unknown>,
): Promise<{ perSecond: number; cpuUs: number; latencies: number[] }> {
  const latencies: number[] = [];
  let next = 0;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let i = next++; i < count; i = next++) {
        const sentAt = performance.now();
        await one(i);
        latencies.push(performance.now() - sentAt);
      }
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (count / (performance.now() - begun)) * 1_000, cpuUs: (user + system) / count, latencies };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

export const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
