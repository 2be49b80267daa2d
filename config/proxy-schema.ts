/**
 * The proxy of the push services, as the file or the environment gives it: `push.proxy` for all, `proxy` at one service, else
 * HTTPS_PROXY and NO_PROXY. A mistake names what is expected and never the value: a proxy's URL may hold a password.
 */
import { z } from 'zod';
import { HttpProxy } from '../plugin/core/proxy.ts';

const EXPECTED = 'expected http://[user:password@]host:port, https://… where the proxy itself speaks TLS, or none';
const DEFAULT_PORT = { 'http:': 80, 'https:': 443 } as const;

const url = z
  .string()
  .min(1)
  .refine((text) => text === 'none' || readUrl(text) !== undefined, EXPECTED)
  .describe(
    'http://[user:password@]host:port; https:// where the proxy itself speaks TLS; none: directly, whatever the environment says',
  );

/** At `push` and at each service. */
export const proxySchema = z.union(
  [
    url,
    z.strictObject({
      url,
      except: z
        .array(z.string().min(1))
        .optional()
        .describe('Reached directly: example.com and what is below it, 10.0.0.0/8, host:port. Default: NO_PROXY'),
      ca: z.string().optional().describe("PEM text of the certificate authority of the proxy's own certificate."),
    }),
  ],
  { error: EXPECTED },
);

export type ProxyConfig = z.output<typeof proxySchema>;

type Address = Pick<HttpProxy, 'host' | 'port' | 'isSecure' | 'user' | 'password'>;

/** Undefined: it is no URL of an HTTP proxy. As curl does, `host:port` alone means http. */
function readUrl(text: string): Address | undefined {
  const parsed = URL.parse(text.includes('://') ? text : `http://${text}`);
  const { protocol } = parsed ?? {};
  if (!parsed || (protocol !== 'http:' && protocol !== 'https:')) return undefined;
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '' || !['', '/'].includes(parsed.pathname) || parsed.search !== '' || parsed.hash !== '')
    return undefined;
  try {
    const user = decodeURIComponent(parsed.username);
    const password = decodeURIComponent(parsed.password);
    // RFC 7617 §2: the user's name ends at the first colon, and neither part may hold a control character.
    if (user.includes(':') || hasControls(user) || hasControls(password)) return undefined;
    const port = parsed.port === '' ? DEFAULT_PORT[protocol] : Number(parsed.port);
    return {
      host,
      port,
      isSecure: protocol === 'https:',
      ...(user === '' && password === '' ? { user: undefined, password: undefined } : { user, password }),
    };
  } catch {
    return undefined;
  }
}

function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** What the environment says. `mistake`: which variable is wrong and what is expected of it. */
export type EnvironmentProxy =
  | { readonly proxy: HttpProxy | undefined; readonly except: readonly string[] }
  | { readonly mistake: string };

/** Small letters come first where both are given, as with curl. Push services are reached by HTTPS: HTTP_PROXY does not count. */
export function environmentProxy(env: NodeJS.ProcessEnv): EnvironmentProxy {
  const except = (env.no_proxy || env.NO_PROXY || '').split(/[\s,]+/).filter((entry) => entry !== '');
  const name = env.https_proxy ? 'https_proxy' : 'HTTPS_PROXY';
  const text = env[name];
  if (!text) return { proxy: undefined, except };
  const address = readUrl(text);
  if (!address) {
    return { mistake: `environment variable ${name}: ${EXPECTED}; push.proxy: none ignores the environment` };
  }
  return { proxy: new HttpProxy({ ...address, ca: undefined, except, from: name }), except };
}

/** `from`: where it stands, `push.proxy`. Undefined: directly. */
export function proxyOf(given: ProxyConfig, from: string, except: readonly string[]): HttpProxy | undefined {
  const options = typeof given === 'string' ? { url: given } : given;
  const address = options.url === 'none' ? undefined : readUrl(options.url);
  return address && new HttpProxy({ ...address, ca: options.ca, except: options.except ?? except, from });
}
