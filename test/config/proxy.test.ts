/** Which proxy a push service gets: its own, that of `push`, that of the environment, or none. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../config/load.ts';
import { adapters, schemasOf } from '../../plugin/app/adapters.ts';

const schemas = schemasOf(await adapters());
const PBX =
  'pbx: { office: { type: asterisk, url: "http://127.0.0.1:8088", username: u, password: p, realm: example.com } }';
const push = (text: string, env: NodeJS.ProcessEnv = {}) =>
  parseConfig('f.yaml', `${PBX}\npush: ${text}\n`, schemas, env).push;
const ENV = { HTTPS_PROXY: 'http://env.test:3128', NO_PROXY: 'example.com, 10.0.0.0/8' };

describe('the proxy of a push service', () => {
  it.each([
    ['none is set', '{ log: {} }', {}, undefined],
    ['the environment', '{ log: {} }', ENV, 'env.test:3128 HTTPS_PROXY'],
    ['small letters', '{ log: {} }', { https_proxy: 'env.test:81' }, 'env.test:81 https_proxy'],
    [
      'small letters before large ones',
      '{ log: {} }',
      { ...ENV, https_proxy: 'small.test:81' },
      'small.test:81 https_proxy',
    ],
    ['an empty variable is none', '{ log: {} }', { HTTPS_PROXY: '' }, undefined],
    ['HTTP_PROXY is not for HTTPS', '{ log: {} }', { HTTP_PROXY: 'http://env.test:3128' }, undefined],
    [
      'push.proxy before the environment',
      '{ proxy: "http://file.test:8080", log: {} }',
      ENV,
      'file.test:8080 push.proxy',
    ],
    [
      'its own before push.proxy',
      '{ proxy: "http://a.test:1", log: { proxy: "https://b.test" } }',
      ENV,
      'b.test:443 push.log.proxy',
    ],
    ['the port of http is 80', '{ proxy: "http://a.test", log: {} }', {}, 'a.test:80 push.proxy'],
    ['without a scheme it is http', '{ proxy: "a.test:3128", log: {} }', {}, 'a.test:3128 push.proxy'],
    ['IPv6', '{ proxy: "http://[2001:db8::1]:3128", log: {} }', {}, '[2001:db8::1]:3128 push.proxy'],
    ['none for all', '{ proxy: none, log: {} }', ENV, undefined],
    ['none for one', '{ proxy: "http://a.test:1", log: { proxy: none } }', ENV, undefined],
    [
      'none ignores an environment that is wrong',
      '{ proxy: none, log: {} }',
      { HTTPS_PROXY: 'socks5://a:1' },
      undefined,
    ],
  ] as const)('%s', (_, text, env, expected) => {
    const proxy = push(text, env).log?.proxy;
    expect(proxy && `${proxy.name} ${proxy.from}`).toBe(expected);
  });

  it('is no push service itself, and no adapter sees it', () => {
    const all = push('{ proxy: "http://a.test:1", log: { proxy: none } }');
    expect(Object.keys(all)).toEqual(['log']);
    expect(all.log?.options).not.toHaveProperty('proxy');
  });

  it('excepts what NO_PROXY says, unless the file says it itself', () => {
    expect(push('{ proxy: "http://a.test:1", log: {} }', ENV).log?.proxy?.except).toEqual([
      'example.com',
      '10.0.0.0/8',
    ]);
    const own = '{ proxy: { url: "http://a.test:1", except: [b.test] }, log: {} }';
    expect(push(own, ENV).log?.proxy?.except).toEqual(['b.test']);
  });

  it('has a login, decoded, which no text of it shows', () => {
    const proxy = push('{ proxy: "http://us%40er:p%3Aw%20@a.test:1", log: {} }').log?.proxy;
    const login = Buffer.from('us@er:p:w ').toString('base64');
    expect(proxy?.authorization).toBe(`Basic ${login}`);
    for (const text of [JSON.stringify({ proxy }), String(proxy), inspect({ proxy })]) {
      expect(text).toContain('a.test:1');
      expect(text).not.toMatch(new RegExp(`us@er|p:w|${login}`));
    }
  });

  it.each([
    'socks5://S3cret@a.test',
    'http://a.test/path',
    'http://u%0d%0a:S3cret@a.test',
    'http://a%3Ab:S3cret@a.test',
    'http://%zz@a.test',
  ])('a variable that is wrong is named, and not its value: %s', (text) => {
    const wrong = () => push('{ log: {} }', { HTTPS_PROXY: text });
    expect(wrong).toThrow(/environment variable HTTPS_PROXY: expected .* push\.proxy: none ignores the environment/);
    expect(wrong).not.toThrow(/S3cret|a\.test/);
  });
});
