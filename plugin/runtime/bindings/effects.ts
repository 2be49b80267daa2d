/**
 * Carries out what the lifecycle asked for, after it was saved. Outcomes go back as facts. In `observe` mode it logs what
 * it would have done and answers as if it had worked, so that a week of observing shows a week of the product.
 */
import type { Aor } from '../../core/aor.ts';
import { type AorRecord, type AppKey, appChosen, appKey, type Binding, type BindingId } from '../../core/binding.ts';
import type { Effect, TextName } from '../../core/events.ts';
import { targetList } from '../../core/identity.ts';
import { isLeftToExpire } from '../../core/lifecycle.ts';
import type { Mode } from '../../core/policy.ts';
import { pushParamsOf } from '../../core/push-params.ts';
import { noticeKind } from '../../core/schedule.ts';
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import { type Clock, within } from '../../ports/clock.ts';
import type { PbxLink } from '../../ports/pbx-link.ts';
import type { PushOutcome } from '../../ports/push-provider.ts';
import type { Intake } from '../intake.ts';
import type { Delivery } from '../push/delivery.ts';
import { atBoundary } from './crash-points.ts';
import { type Saying, UnderWay } from './under-way.ts';

const UNDER_WAY_MAX = 1_000;

export interface NoticeText {
  readonly title?: string;
  readonly body: string;
}

/** `locale`: the language of the device, where its app reported it. */
export type NoticeTexts = (aor: Aor, notice: TextName, locale: string | undefined) => NoticeText;

type PushEffect = Extract<
  Effect,
  { type: 'sendRefresh' | 'sendNotice' | 'sendMissed' | 'sendMessage' | 'sendVoicemail' }
>;

/** Says when no further attempt is wanted, and hears when the first has failed. */
type Retry = [signal?: AbortSignal, onDelay?: () => void];

const PURPOSE_OF = {
  sendRefresh: 'refresh',
  sendNotice: 'notice',
  sendMissed: 'missed',
  sendMessage: 'message',
  sendVoicemail: 'voicemail',
} as const;

/** The words of a voice message wait so long (ms) for the silent push that goes before them. */
const REFRESH_GOES_FIRST: DurationMs = 5 * SECOND;

export interface EffectRunnerOptions {
  readonly mode: Mode;
  readonly clock: Clock;
  readonly log: Logger;
  readonly delivery: Delivery;
  readonly links: ReadonlyMap<string, PbxLink>;
  readonly intake: Pick<Intake, 'apply' | 'beforeRemoval' | 'fromPushOutcome'>;
  readonly read: (aor: Aor) => Promise<AorRecord | undefined>;
  readonly noticeText: NoticeTexts;
  /** Sends the texts that wait for a device which has registered. Never rejects. */
  readonly deliverTexts: (
    aor: Aor,
    bindingId: BindingId,
    contact: { readonly pbx: string; readonly uri: string } | undefined,
  ) => Promise<void>;
  /** Whether one more user of this app may be asked now to open it; counts it. */
  readonly mayAsk: (app: AppKey) => boolean;
  /** Sends the PBXs whether the AOR is reachable, after its bindings changed. */
  readonly onNotBound: (aor: Aor, pbx: string, reason: string) => void;
  readonly onReport?: (aor: Aor, record: AorRecord, effect: Extract<Effect, { type: 'report' }>) => void;
}

export class EffectRunner {
  readonly #o: EffectRunnerOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  readonly #underWay: UnderWay;

  constructor(options: EffectRunnerOptions) {
    this.#o = options;
    this.#underWay = new UnderWay(options.clock, options.read);
  }

  run(aor: Aor, record: AorRecord, effects: readonly Effect[]): void {
    for (const effect of effects) {
      const work = this.#one(aor, record, effect).catch((error: unknown) => {
        // Nothing here may end the process; the next tick asks for whatever is still due.
        this.#o.log.error({ aor, effect: effect.type, reason: String(error) }, 'effect failed');
      });
      this.#running.add(work);
      void work.finally(() => {
        this.#running.delete(work);
        this.#waiting.shift()?.();
      });
    }
  }

  /**
   * Resolves when fewer than a thousand effects are under way. The ticker and the resync, which make work by the clock, wait here: a slow push
   * service must not fill the memory with a hundred thousand pushes.
   */
  async room(): Promise<void> {
    while (this.#running.size >= UNDER_WAY_MAX) await new Promise<void>((next) => this.#waiting.push(next));
  }

  get busy(): boolean {
    return this.#running.size > 0;
  }

  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #one(aor: Aor, record: AorRecord, effect: Effect): Promise<void> {
    if (effect.type === 'notBound') return this.#o.onNotBound(aor, effect.pbx, effect.reason);
    const observing = this.#o.mode === 'observe';
    const binding = record.bindings.find((b) => b.id === effect.bindingId);
    switch (effect.type) {
      case 'report':
        this.#o.log.info(
          { aor, bindingId: effect.bindingId, ...(effect.reason ? { reason: effect.reason } : {}), ...facts(binding) },
          `binding ${effect.what}`,
        );
        this.#underWay.heard(aor, effect.bindingId, effect.what);
        this.#o.onReport?.(aor, record, effect);
        return;
      case 'removeContact':
        if (observing) {
          this.#o.log.info({ aor, bindingId: effect.bindingId, pbx: effect.pbx }, 'observe: would remove a contact');
          return this.#gone(aor, effect);
        }
        return this.#removeContact(aor, effect);
      case 'deliverTexts':
        return observing ? undefined : this.#o.deliverTexts(aor, effect.bindingId, effect.contact);
      case 'sendMissed':
      case 'sendMessage':
      case 'sendVoicemail':
      case 'sendRefresh':
      case 'sendNotice': {
        if (observing) {
          const purpose = PURPOSE_OF[effect.type];
          this.#o.log.info(
            { aor, bindingId: effect.bindingId, purpose, token: effect.target.token.fingerprint },
            'observe: would push',
          );
          if (effect.type === 'sendNotice') {
            const { bindingId, which } = effect;
            return this.#o.intake.apply(aor, { type: 'NoticeSettled', bindingId, which, outcome: 'observed' });
          }
          // What was not sent cannot be answered.
          const outcome: PushOutcome =
            effect.type === 'sendRefresh' ? { kind: 'failed', reason: 'observed' } : { kind: 'accepted' };
          return this.#answered(aor, effect, outcome);
        }
        atBoundary('push to be sent');
        const outcome = binding
          ? await this.#underWay.run(aor, binding, sayingOf(effect), (...retry) =>
              this.#push(aor, effect, binding.locale, retry),
            )
          : await this.#push(aor, effect, undefined, []);
        // The same notice waits for its service already.
        if (!outcome) return;
        atBoundary('push answered');
        await this.#answered(aor, effect, outcome);
        atBoundary('answer saved');
        return;
      }
      default:
        effect satisfies never;
    }
  }

  #push(aor: Aor, effect: PushEffect, locale: string | undefined, retry: Retry): Promise<PushOutcome> {
    const { collapseId, expiresAt, target } = effect;
    const common = { aor, collapseId, expiresAt };
    if (effect.type === 'sendMissed') return this.#pushMissed(aor, effect, locale, retry);
    if (effect.type === 'sendMessage') return this.#pushMessage(aor, effect, locale, retry);
    if (effect.type === 'sendVoicemail') return this.#pushVoicemail(aor, effect, locale);
    const draft =
      effect.type === 'sendRefresh'
        ? { purpose: 'refresh' as const, ...common, ...(effect.urgent && { urgent: true }) }
        : {
            purpose: 'notice' as const,
            ...common,
            notice: effect.which.notice,
            ...this.#o.noticeText(aor, effect.which.notice, locale),
          };
    // One fault of the PBX or of a service must not ask a whole site to open its apps.
    if (draft.purpose === 'notice' && draft.notice === 'open' && !this.#o.mayAsk(appKey(target))) {
      return Promise.resolve({ kind: 'failed', reason: 'many users of the app were asked this hour' });
    }
    return this.#o.delivery.send(draft, { other: target }, ...retry);
  }

  #pushMissed(
    aor: Aor,
    { target, count, callId, caller, collapseId, expiresAt }: Extract<Effect, { type: 'sendMissed' }>,
    locale: string | undefined,
    retry: Retry,
  ): Promise<PushOutcome> {
    const { body } = this.#counted(aor, 'missed', count, locale);
    return this.#o.delivery.send(
      { purpose: 'missed', aor, callId, count, body, ...(caller && { caller }), collapseId, expiresAt },
      { other: target },
      ...retry,
    );
  }

  #pushMessage(
    aor: Aor,
    { target, count, caller, text, collapseId, expiresAt }: Extract<Effect, { type: 'sendMessage' }>,
    locale: string | undefined,
    retry: Retry,
  ): Promise<PushOutcome> {
    const { body } = this.#counted(aor, 'message', count, locale);
    const shown = { ...(caller && { caller }), ...(text !== undefined && { text }) };
    return this.#o.delivery.send(
      { purpose: 'message', aor, count, body, ...shown, collapseId, expiresAt },
      { other: target },
      ...retry,
    );
  }

  async #pushVoicemail(
    aor: Aor,
    { target, count, how, caller, collapseId, expiresAt }: Extract<Effect, { type: 'sendVoicemail' }>,
    locale: string | undefined,
  ): Promise<PushOutcome> {
    const { delivery, clock } = this.#o;
    const to = { other: target };
    if (how === 'silent') return delivery.send({ purpose: 'voicemail', aor, count, collapseId, expiresAt }, to);
    // Before the words and not after them: of a phone that is off Apple keeps one push for an app, the last (ADR 0005).
    if (delivery.targetFor('refresh', to)) {
      const refresh = { purpose: 'refresh' as const, aor, collapseId: `${collapseId}r`, expiresAt, urgent: true };
      await within(clock, REFRESH_GOES_FIRST, delivery.send(refresh, to)).catch(() => undefined);
    }
    const { body } = this.#counted(aor, 'voicemail', count, locale);
    return delivery.send(
      { purpose: 'voicemail', aor, count, body, ...(caller && { caller }), collapseId, expiresAt },
      to,
    );
  }

  #counted(aor: Aor, text: TextName, count: number, locale: string | undefined): NoticeText {
    const { body } = this.#o.noticeText(aor, text, locale);
    return { body: body.replaceAll('{count}', String(count)) };
  }

  #answered(aor: Aor, effect: PushEffect, outcome: PushOutcome): Promise<void> {
    const { bindingId, target } = effect;
    const of = effect.type === 'sendNotice' ? effect.which : PURPOSE_OF[effect.type];
    return this.#o.intake.fromPushOutcome(aor, { bindingId, target, of }, outcome);
  }

  /**
   * Read again right before: only a contact that still carries one of this binding's tokens is removed, and only if the
   * record, after what the PBX holds now was applied to it, still wants it gone. A phone that came back meanwhile stays.
   */
  async #removeContact(aor: Aor, effect: Extract<Effect, { type: 'removeContact' }>): Promise<void> {
    const link = this.#o.links.get(effect.pbx);
    // A PBX that left the configuration cannot be asked and holds nothing of ours.
    if (!link) return this.#gone(aor, effect);
    try {
      const held = (await link.ask(aor)).contacts.find((c) => c.uri === effect.uri);
      if (held) {
        await this.#o.intake.beforeRemoval(held);
        if (!(await this.#stillWanted(aor, effect))) return;
        if (isLeftToExpire(effect.why, held.expiresAt, this.#o.clock.now())) {
          // Still due: the ending asks again until it has expired, or its phone has registered and is bound again.
          this.#o.log.debug({ aor, bindingId: effect.bindingId, pbx: effect.pbx }, 'contact left to expire by itself');
          return;
        }
        const params = pushParamsOf(held.uri, appChosen((await this.#o.read(aor))?.bindings ?? []));
        const tokens = params.kind === 'push' ? targetList(params.targets).map((t) => t.token.fingerprint) : [];
        if (tokens.some((t) => effect.tokens.includes(t))) {
          atBoundary('contact to be removed');
          await link.removeContact(held);
          atBoundary('contact removed');
          const { bindingId, pbx, why } = effect;
          this.#o.log.info({ aor, bindingId, pbx, reason: why }, 'contact removed');
        } else this.#o.log.info({ aor, pbx: effect.pbx }, 'contact kept, it is another device’s now');
      }
      await this.#gone(aor, effect);
      atBoundary('removal saved');
    } catch (error) {
      // Still due: an ending asks again, a replaced contact is found by the next sweep.
      this.#o.log.debug({ aor, pbx: effect.pbx, reason: String(error) }, 'contact not removed yet');
    }
  }

  async #stillWanted(aor: Aor, effect: Extract<Effect, { type: 'removeContact' }>): Promise<boolean> {
    const binding = (await this.#o.read(aor))?.bindings.find((b) => b.id === effect.bindingId);
    if (effect.why !== 'replaced') return binding?.ending !== undefined;
    return !binding?.contacts.some((c) => c.pbx === effect.pbx && c.uri === effect.uri);
  }

  #gone(aor: Aor, effect: Extract<Effect, { type: 'removeContact' }>): Promise<void> {
    return this.#o.intake.apply(aor, {
      type: 'ContactGone',
      bindingId: effect.bindingId,
      pbx: effect.pbx,
      uri: effect.uri,
    });
  }
}

/** A service that is out must not collect one push for each time that the same words were due. */
function sayingOf(effect: PushEffect): Saying | undefined {
  if (effect.type === 'sendRefresh') return undefined;
  if (effect.type === 'sendNotice') return { of: noticeKind(effect.which), words: '' };
  const how = effect.type === 'sendVoicemail' ? effect.how : '';
  return { of: `${PURPOSE_OF[effect.type]} ${how}`, words: String(effect.count) };
}

/** What a log line says of a binding: never a token, never a whole Contact. */
function facts(binding: Binding | undefined): Record<string, unknown> {
  if (!binding) return {};
  return {
    endsAt: new Date(binding.endsAt).toISOString(),
    tokens: targetList(binding.targets).map((t) => `${t.provider}:${t.token.fingerprint}`),
  };
}
