/** What a Redis must be set to that is to keep bindings for a week. */
import type KeyvRedis from '@keyv/redis';

export interface Warning {
  readonly setting: string;
  readonly hint: string;
}

const OLDEST = 7;

/** Where the server does not let us look (a managed one often does not), nothing is said about that setting. */
export async function inspect(adapter: KeyvRedis<unknown>): Promise<readonly Warning[]> {
  const [node] = await adapter.getMasterNodes();
  if (!node) return [];
  const warnings: Warning[] = [];
  const version = /redis_version:(\d+)/.exec(String(await node.info('server')))?.[1];
  if (version !== undefined && Number(version) < OLDEST) {
    warnings.push({ setting: `redis_version ${version}`, hint: `Redis ${OLDEST} or newer is needed` });
  }
  const setting = async (name: string): Promise<string | undefined> => {
    try {
      return (await node.configGet(name))[name];
    } catch {
      return undefined;
    }
  };
  const appendonly = await setting('appendonly');
  if (appendonly !== undefined && appendonly !== 'yes') {
    warnings.push({ setting: `appendonly ${appendonly}`, hint: 'set it to yes: a restart of Redis loses bindings' });
  }
  const policy = await setting('maxmemory-policy');
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push({ setting: `maxmemory-policy ${policy}`, hint: 'set it to noeviction: a full Redis drops bindings' });
  }
  return warnings;
}
