/**
 * Firebase Cloud Messaging: chooses the project, makes one exchange, gives its outcome.
 * Retry, deadlines and limits in flight lie outside (`plugin/runtime/push/delivery.ts`).
 */
import type { Target, Targets } from '../../../plugin/core/binding.ts';
import { SECOND } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type {
  GiveUp,
  PushOutcome,
  PushProvider,
  PushPurpose,
  PushRequest,
} from '../../../plugin/ports/push-provider.ts';
import { proxyFor } from '../../shared/proxy.ts';
import { BadTokens } from '../bad-tokens.ts';
import { type Carrier, readProfile } from '../payload-profile.ts';
import { printable } from '../verdicts.ts';
import { WatchedFile } from '../watched-file.ts';
import { createAgent, type FcmSession, openSession } from './connection.ts';
import {
  ConfigError,
  type FcmApp,
  type FcmOptions,
  isAccountText,
  optionsSchema,
  readAccount,
  SERVERS,
  type ServiceAccount,
} from './options.ts';
import { outcomeOf, TOKEN_DOUBTFUL } from './outcome.ts';
import { type AppTexts, buildMessage, LIMIT_BYTES } from './payload.ts';

export { check } from './check.ts';
export { ConfigError, optionsSchema } from './options.ts';

/** An access token made just now is refused as well: not the same batch, and no sense in fetching another at once. */
const NEW_TOKEN_EVERY = 30 * SECOND;

/** Throws `ConfigError` when a service account cannot be used: better at start than at the first call. */
export function create(input: unknown, { clock, log, name, proxy }: AdapterDeps): PushProvider {
  const options = optionsSchema.parse(input);
  const projects = readProjects(options, name, clock);
  const agent = createAgent(options, clock, proxy);
  /** Cuts each push off that is under way. */
  const underWay = new Set<() => void>();
  const badTokens = new BadTokens();
  let closed = false;

  function targetFor(purpose: PushPurpose, targets: Targets): Target | undefined {
    const ours = (target: Target | undefined) => (target?.provider === name ? target : undefined);
    return purpose === 'call' ? (ours(targets.call) ?? ours(targets.other)) : ours(targets.other);
  }

  async function send(request: PushRequest, signal: GiveUp): Promise<PushOutcome> {
    if (closed) return { kind: 'failed', reason: 'closed' };
    if (signal.aborted) return outcomeOf({ reasons: ['aborted'] });
    return exchange(request, signal);
  }

  async function exchange(request: PushRequest, signal: GiveUp): Promise<PushOutcome> {
    const { target } = request;
    const project = projects.find(({ app }) => target.app === app.senderId || target.app === app.projectId);
    if (!project) {
      const hint = `no app of push.${name}.apps has the senderId or projectId "${printable(target.app)}"`;
      return { kind: 'misconfigured', reason: 'unknown app', hint, scope: 'device' };
    }
    const message = buildMessage(request, project.texts, clock.now());
    if (!message) return { kind: 'failed', reason: 'payload too large' };

    refresh(project);
    const session = sessionOf(project);
    const answer = await session.exchange(message, target.token, signal, request.purpose === 'call');
    const outcome = outcomeOf(answer);
    if (answer.status !== undefined && answer.status !== 401) project.refusedSinceMs = undefined;
    if (outcome.kind === 'accepted')
      badTokens.accepted(project.app.projectId, target.token.fingerprint, clock.monotonicMs());
    if (outcome.kind === 'failed' && outcome.reason === TOKEN_DOUBTFUL) return judgeToken(request, project, outcome);
    if (outcome.kind !== 'retryLater' || outcome.reason !== 'UNAUTHENTICATED') return outcome;
    return renewToken(project, session, outcome);
  }

  /** Google names no field: neither is the binding kept for ever, nor do an app's bindings go over a mistake of ours. */
  function judgeToken({ target, aor }: PushRequest, { app }: Project, outcome: PushOutcome): PushOutcome {
    switch (badTokens.failed(app.projectId, target.token.fingerprint, aor, clock.monotonicMs())) {
      case 'many': {
        const hint =
          'Google takes none of this project’s tokens for its own: the phones report tokens of another kind, or this pushwake sends what Google no longer understands';
        return { kind: 'misconfigured', reason: TOKEN_DOUBTFUL, hint, scope: 'device' };
      }
      case 'dead':
        return { kind: 'tokenDead', reason: TOKEN_DOUBTFUL };
      case 'alone':
        return outcome;
    }
  }

  /** A refused access token is thrown away, once for all pushes that carried it. */
  function renewToken(project: Project, refused: FcmSession, outcome: PushOutcome): PushOutcome {
    if (project.session !== refused) return outcome;
    const now = clock.monotonicMs();
    const again = project.refusedSinceMs !== undefined;
    if (again && now - (project.refusedSinceMs ?? 0) < NEW_TOKEN_EVERY) return refusedAgain();
    project.refusedSinceMs = now;
    refused.retire();
    project.session = undefined;
    return again ? refusedAgain() : outcome;
  }

  function refusedAgain(): PushOutcome {
    const hint =
      'Google refuses an access token it gave just now: compare projectId and serviceAccount with the console';
    return { kind: 'misconfigured', reason: 'UNAUTHENTICATED', hint };
  }

  function sessionOf(project: Project): FcmSession {
    const { projectId } = project.app;
    const { requestTimeoutMs } = options;
    project.session ??= openSession({ projectId, account: project.account, agent, requestTimeoutMs, clock, underWay });
    return project.session;
  }

  /** Takes up a service account that was replaced. A bad one changes nothing: the old one may still be good. */
  function refresh(project: Project): void {
    const { app, file } = project;
    if (!file?.changed()) return;
    try {
      const account = readAccount(app, project.setting);
      const { clientEmail, privateKey } = project.account;
      if (account.clientEmail === clientEmail && account.privateKey === privateKey) return;
      project.account = account;
      project.session?.retire();
      project.session = undefined;
      project.refusedSinceMs = undefined;
      log.info({ provider: name, app: app.projectId, file: file.path }, 'fcm service account taken up');
    } catch (error) {
      const problem = error instanceof ConfigError ? error.message : 'unknown error';
      log.error(
        { provider: name, app: app.projectId, file: file.path, problem },
        'fcm service account not usable, old kept',
      );
    }
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    for (const cut of [...underWay]) cut();
    for (const { session } of projects) session?.retire();
    agent.destroy();
  }

  const via = proxyFor(proxy, options.endpoint?.address ?? SERVERS.push, options.endpoint?.port ?? 443);

  return {
    name,
    ...(via && { proxy: via.name }),
    // More than there are connections would only wait for one, unseen by those who count what is in flight.
    maxInFlight: options.connections,
    credentials: () => projects.map(({ app }) => ({ name: `service account of ${app.projectId}` })),
    targetFor,
    send,
    warm() {
      if (closed) return;
      for (const project of projects) {
        refresh(project);
        sessionOf(project).warm();
      }
    },
    close,
  };
}

const CARRIER: Carrier = { form: 'flat', limitBytes: () => LIMIT_BYTES };

interface Project {
  readonly app: FcmApp;
  readonly texts: AppTexts;
  readonly setting: string;
  readonly file: WatchedFile | undefined;
  account: ServiceAccount;
  session: FcmSession | undefined;
  /** Since when Google refuses access tokens it gave; undefined: it does not. */
  refusedSinceMs: number | undefined;
}

function readProjects(options: FcmOptions, name: string, clock: Clock): Project[] {
  const projects: Project[] = [];
  const mistakes: string[] = [];
  for (const [index, app] of options.apps.entries()) {
    const setting = `push.${name}.apps[${index}].serviceAccount`;
    try {
      const file = isAccountText(app.serviceAccount) ? undefined : new WatchedFile(app.serviceAccount, clock);
      const account = readAccount(app, setting);
      const profile = readProfile(app.payload, `push.${name}.apps[${index}].payload`, CARRIER);
      const texts = { channelId: app.channelId, profile, texts: app.texts };
      projects.push({ app, texts, setting, file, account, session: undefined, refusedSinceMs: undefined });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      mistakes.push(error.message);
    }
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  return projects;
}
