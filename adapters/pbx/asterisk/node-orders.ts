/**
 * What a node says to Asterisk because of the others beside it (`nodes.ts` decides): claims, that it is there, and the legs of another node that is gone.
 */
import type { Asking } from './contact-events.ts';
import { contactsAppOf } from './contact-events.ts';
import { FIRST_APP } from './options.ts';
import type { RestRequest } from './rest.ts';
import { LEG_TAKEN, NODE_ALIVE, NODES_LOOKED } from './translate.ts';

/** The names that the dialplan asks: its StasisBroadcast has the same expression. */
export const NODE_APP = /^pushwake(-[0-9A-Za-z_]+)?$/;

/** How often a node looks, in ms of real time, which others are there, and says to them that it is. */
const LOOK_EVERY_MS = 1_000;

const NODES_VARIABLE = 'PUSHWAKE_NODES';

/** Channels of a node that others have taken over, until it reads them. */
const takenVariable = (node: string) => `PUSHWAKE_TAKEN_${node}`;
const TAKEN_AT_MOST = 50;

/** Of a channel as ARI describes it. */
interface Listed {
  readonly id: string;
  readonly dialplan: { readonly app_name?: string | undefined; readonly app_data?: string | undefined };
}

export interface NodeOrdersIo extends Pick<Asking, 'ask'> {
  readonly app: string;
  /** An event of our own, which is read as those of Asterisk are. */
  readonly tell: (event: object) => void;
  readonly failed: (error: unknown) => void;
  /** Calls again and again, each time after so many ms of real time. Returns a function that ends it. */
  readonly every: (ms: number, work: () => void) => () => void;
}

/** Of a PBX that dials in: it has one pushwake. */
export const NO_OTHERS: Omit<NodeOrdersIo, 'ask' | 'app'> = {
  tell: () => undefined,
  failed: () => undefined,
  every: () => () => undefined,
};

type OfChannel = { readonly channelId: string };

export class NodeOrders {
  readonly #io: NodeOrdersIo;
  #isOneOfMany = false;
  #stopAnnouncing: () => void = () => undefined;

  constructor(io: NodeOrdersIo) {
    this.#io = io;
  }

  end(): void {
    this.#stopAnnouncing();
  }

  /** Before the link is up. */
  async begin(): Promise<void> {
    this.#isOneOfMany = await canBroadcast(this.#io, this.#io.app);
  }

  readonly operations = {
    /** 404: nobody asks any more; 409: another node was faster. */
    claim: async ({ channelId }: OfChannel): Promise<'done' | 'gone'> => {
      const query = { channelId, application: this.#io.app };
      return this.#done({ method: 'POST', path: 'events/claim', query });
    },
    /** By the place where the dialplan goes on: nothing is written to a channel that may be the caller's own. */
    answerClaim: async ({ channelId }: OfChannel): Promise<'done' | 'gone'> => {
      const query = { context: 'pushwake-claimed', extension: this.#io.app, priority: '1' };
      return this.#done({ method: 'POST', path: `${pathOf(channelId)}/continue`, query });
    },
    /** The dialplan asks several nodes from now on, where this Asterisk can. */
    announceNodes: async (): Promise<void> => {
      this.#stopAnnouncing();
      if (!this.#isOneOfMany) return;
      await this.#announce();
      this.#stopAnnouncing = this.#io.every(LOOK_EVERY_MS, () => void this.#announce().catch(this.#io.failed));
    },
    announceNodesNoMore: async (): Promise<void> => {
      this.#stopAnnouncing();
    },
    /** The legs that others have taken over from us; told once. */
    takenFromUs: async (): Promise<readonly string[]> => {
      if (!this.#isOneOfMany) return [];
      const taken = await this.#takenFrom(this.#io.app);
      if (taken.length > 0) await this.#writeTaken(this.#io.app, []);
      return taken;
    },
    /** A leg that waits on a node which is gone, unless another one has taken it: it begins anew with us. */
    takeOver: async (o: OfChannel & { readonly from: string; readonly args: readonly string[] }) => {
      if ((await this.#ownerOf(o.channelId)) !== o.from) return 'gone';
      const { app } = this.#io;
      const query = { variable: '_PUSHWAKE_APP', value: app };
      await this.#done({ method: 'POST', path: `${pathOf(o.channelId)}/variable`, query });
      const to = { app, appArgs: o.args.join(',') };
      const moved = await this.#done({ method: 'POST', path: `${pathOf(o.channelId)}/move`, query: to });
      if (moved === 'done') await this.#saysTaken(o).catch(this.#io.failed);
      return moved;
    },
  };

  /** The channels as their nodes have them: a leg that was taken over still executes the Stasis of its first node. */
  async owned<C extends Listed>(channels: readonly C[]): Promise<readonly C[]> {
    return this.#isOneOfMany ? Promise.all(channels.map((channel) => this.#asOwned(channel))) : channels;
  }

  async #asOwned<C extends Listed>(channel: C): Promise<C> {
    const { app_name, app_data } = channel.dialplan;
    const [app = '', kind = '', ...args] = app_data?.split(',') ?? [];
    if (app_name !== 'Stasis' || !NODE_APP.test(app) || !/^(device|stored)$/.test(kind)) return channel;
    const owner = (await this.#ownerOf(channel.id)) ?? app;
    return { ...channel, dialplan: { ...channel.dialplan, app_data: [owner, kind, ...args].join(',') } };
  }

  /** Undefined: it is none of our dialplan, or gone. */
  async #ownerOf(channelId: string): Promise<string | undefined> {
    const query = { variable: 'PUSHWAKE_APP' };
    const { body } = await this.#io.ask({ method: 'GET', path: `${pathOf(channelId)}/variable`, query }, NOT_THERE);
    return (body as { value?: string } | undefined)?.value || undefined;
  }

  /**
   * The other node may only have stood still: it reads the event behind the end of its Stasis, before anything of what we do with the leg. One that has
   * lost its link reads the variable when it is back; the leg may be gone by then.
   */
  async #saysTaken({ channelId, from }: { readonly channelId: string; readonly from: string }): Promise<void> {
    await this.#io.ask(toNode(from, LEG_TAKEN, { channel: channelId }), NOT_THERE);
    await this.#writeTaken(from, [...(await this.#takenFrom(from)), channelId].slice(-TAKEN_AT_MOST));
  }

  async #takenFrom(node: string): Promise<readonly string[]> {
    const query = { variable: takenVariable(node) };
    const { body } = await this.#io.ask({ method: 'GET', path: 'asterisk/variable', query });
    return ((body as { value?: string } | undefined)?.value ?? '').split(' ').filter(Boolean);
  }

  async #writeTaken(node: string, channels: readonly string[]): Promise<void> {
    const query = { variable: takenVariable(node), value: channels.join(' ') };
    await this.#io.ask({ method: 'POST', path: 'asterisk/variable', query });
  }

  async #announce(): Promise<void> {
    this.#io.tell({ type: NODES_LOOKED, others: await announceNodes(this.#io, this.#io.app) });
  }

  async #done(r: RestRequest): Promise<'done' | 'gone'> {
    return (await this.#io.ask(r, NOT_THERE)).ok ? 'done' : 'gone';
  }
}

const pathOf = (channelId: string) => `channels/${encodeURIComponent(channelId)}`;
/** A channel that has ended, or has left Stasis. */
const NOT_THERE = [404, 409];

/** Asks Asterisk itself, which may be started anew with another version. */
export async function canBroadcast({ ask }: Pick<Asking, 'ask'>, app: string): Promise<boolean> {
  if (!NODE_APP.test(app)) return false;
  const { ok, body } = await ask({ method: 'GET', path: 'asterisk/modules/app_stasis_broadcast.so' }, [404, 409]);
  return ok && (body as { status?: unknown } | undefined)?.status === 'Running';
}

/**
 * Called again and again: a call that nobody has claimed takes the variable away. The first node alone is what every dialplan asks, and needs none.
 * Read first, because Asterisk writes each setting to its log. Answers with the other nodes, of which some may have died.
 */
export async function announceNodes({ ask }: Pick<Asking, 'ask'>, app: string): Promise<readonly string[]> {
  const { body } = await ask({ method: 'GET', path: 'applications' });
  const names = (body as { name: string }[]).map(({ name }) => name);
  const nodes = names.filter((name) => NODE_APP.test(name) && !names.some((of) => contactsAppOf(of) === name));
  const others = nodes.filter((name) => name !== app);
  await Promise.all(others.map((other) => ask(toNode(other, NODE_ALIVE, { node: app }), [404])));
  const wanted = app !== FIRST_APP || others.length > 0 ? '1' : '';
  const variable = NODES_VARIABLE;
  const said = (await ask({ method: 'GET', path: 'asterisk/variable', query: { variable } })).body;
  if (((said as { value?: string } | undefined)?.value ?? '') !== wanted)
    await ask({ method: 'POST', path: 'asterisk/variable', query: { variable, value: wanted } });
  return others;
}

/** To the other's application alone: nobody else hears of it. */
const toNode = (application: string, event: string, variables: Readonly<Record<string, string>>): RestRequest => ({
  method: 'POST',
  path: `events/user/${event}`,
  query: { application },
  body: { variables },
});
