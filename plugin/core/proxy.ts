/**
 * An HTTP proxy through which a push service is reached: where it stands and how to log in to it. Pure data; whether a host is
 * reached through it and how the tunnel is opened: `adapters/shared/proxy.ts`.
 */

export interface ProxySettings {
  readonly host: string;
  readonly port: number;
  /** The way to the proxy itself is TLS (`https://` in its URL). */
  readonly isSecure: boolean;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** PEM text of the authority of the proxy's own certificate. Absent: the system's authorities. */
  readonly ca?: string | undefined;
  /** Hosts that are reached directly: `example.com` (with everything below it), `10.0.0.0/8`, `host:8443`, `*`. */
  readonly except: readonly string[];
  /** Who set it, for people: `push.proxy`, `HTTPS_PROXY`. */
  readonly from: string;
}

/** Its login is for the wire alone: as text and as JSON it is its name. */
export class HttpProxy implements ProxySettings {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly ca: string | undefined;
  readonly except: readonly string[];
  readonly from: string;

  constructor(settings: ProxySettings) {
    this.host = settings.host;
    this.port = settings.port;
    this.isSecure = settings.isSecure;
    this.user = settings.user;
    this.password = settings.password;
    this.ca = settings.ca;
    this.except = settings.except;
    this.from = settings.from;
  }

  /** `proxy.example.com:3128`, without the login. */
  get name(): string {
    return `${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`;
  }

  /** The value of `Proxy-Authorization` (RFC 7617). Undefined: it has no login. */
  get authorization(): string | undefined {
    if (this.user === undefined) return undefined;
    return `Basic ${Buffer.from(`${this.user}:${this.password ?? ''}`).toString('base64')}`;
  }

  toString(): string {
    return this.name;
  }

  toJSON(): string {
    return this.name;
  }

  /** What `util.inspect` and with it console and stack traces show. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `HttpProxy ${this.name}`;
  }
}
