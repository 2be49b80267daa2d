/** `config/container/compose.yaml`: what it mounts is there, and it opens nothing to the outside. The images of others are not run here. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const FILE = fileURLToPath(new URL('../../config/container/compose.yaml', import.meta.url));
const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'));

interface Service {
  readonly image: string;
  readonly volumes?: readonly string[];
  readonly ports?: unknown;
  readonly command?: readonly string[];
}
const compose = parse(readFileSync(FILE, 'utf8')) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
/** What the administrator makes. */
const OWN = ['./etc', './asterisk'];

describe.each(Object.entries(compose.services))('%s', (_name, service) => {
  it('mounts files that are shipped, and volumes that are declared', () => {
    for (const mount of service.volumes ?? []) {
      const [from = ''] = mount.split(':');
      if (!from.startsWith('.')) expect(Object.keys(compose.volumes)).toContain(from);
      else if (!OWN.includes(from)) expect(existsSync(join(dirname(FILE), from)), from).toBe(true);
    }
  });

  it('listens on this machine only', () => {
    expect(service.ports).toBeUndefined();
  });
});

it('runs the image of this version', () => {
  expect(compose.services.pushwake?.image).toBe(`localhost/pushwake:${version}`);
});

it('binds the services of others to 127.0.0.1', () => {
  expect(compose.services.redis?.command?.join(' ')).toContain('--bind 127.0.0.1');
  expect(compose.services.prometheus?.command?.join(' ')).toContain('--web.listen-address=127.0.0.1:');
  expect(compose.services.grafana).toMatchObject({ environment: { GF_SERVER_HTTP_ADDR: '127.0.0.1' } });
});
