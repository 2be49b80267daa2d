/** What an administrator asks or does by hand: why it did not ring, what is stored, drop, push test, the brake. */
import { type Aor, parseAor } from '../core/aor.ts';
import { appKey } from '../core/binding.ts';
import { describeRecord, type ShownRecord } from '../core/describe.ts';
import { explainCall, explainDevices, troubledIn } from '../core/explain.ts';
import { targetList } from '../core/identity.ts';
import { explainText } from '../core/text-trace.ts';
import type { Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';
import type { PbxLink } from '../ports/pbx-link.ts';
import type { BrakeState } from '../ports/status.ts';
import type { Parts } from './compose.ts';
import type { Delivery } from './push/delivery.ts';
import { type PushTest, type TestPurpose, testPush } from './push/push-test.ts';

/** How many recent calls of one account `explain` describes. */
const CALLS_EXPLAINED = 10;
/** How many devices that do not come as they should are listed at the most: the list is for people. */
const SELDOM_LISTED = 1_000;

export interface OperatorParts
  extends Pick<Parts, 'brake' | 'intake' | 'notBound' | 'records' | 'store' | 'texts' | 'traces'> {
  readonly clock: Clock;
  readonly log: Logger;
  readonly delivery: Delivery;
  readonly linksOf: (aor: Aor) => readonly PbxLink[];
}

export class Operator {
  readonly #p: OperatorParts;

  constructor(parts: OperatorParts) {
    this.#p = parts;
  }

  /** What is known of an account or a call, in sentences. Undefined: nothing. */
  async explain(of: string) {
    const { clock, traces, records, brake, notBound } = this.#p;
    const now = clock.now();
    const calls = traces.find(of).slice(0, CALLS_EXPLAINED);
    const aor = calls[0]?.aor ?? parseAor(of);
    const record = aor && (await records.read(aor));
    const unread = aor ? notBound.of(aor) : [];
    const texts = aor ? this.#p.texts.traces.of(aor).map((trace) => explainText(trace, now)) : [];
    if (calls.length === 0 && texts.length === 0 && !record && unread.length === 0) return undefined;
    const apps = new Set((record?.bindings ?? []).flatMap((b) => targetList(b.targets).map(appKey)));
    const held = brake.state.filter(({ app }) => app === undefined || apps.has(app));
    return {
      of,
      calls: calls.map((trace) => ({ ...explainCall(trace, record, now), trace })),
      texts,
      devices: [
        ...explainDevices(record, now),
        ...unread.map(
          (c) =>
            `A contact ${c.aor === aor ? '' : `of ${c.aor} `}on ${c.pbx} asks for push and is not bound: ${c.reason}. What to do: ${c.remedy}.`,
        ),
        ...held.map(brakeInWords),
      ],
    };
  }

  /** Devices that do not come for calls as they should, one sentence each. Reads the whole store: for people, not for monitoring. */
  async seldomWoken(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const { aor, bindings } of this.#p.store.scan()) {
      found.push(...troubledIn(aor, bindings));
      if (found.length >= SELDOM_LISTED) break;
    }
    return found;
  }

  async shownRecord(of: string): Promise<ShownRecord | undefined> {
    const aor = parseAor(of);
    const record = aor && (await this.#p.store.get(aor));
    return record && describeRecord(record, this.#p.clock.now());
  }

  /** Whether a PBX of its realm knows the account. Undefined: none could be asked, or not all of them. */
  async exists(aor: Aor): Promise<boolean | undefined> {
    const answers = await Promise.allSettled(this.#p.linksOf(aor).map((link) => link.ask(aor)));
    if (answers.some((a) => a.status === 'fulfilled' && a.value.aorExists)) return true;
    return answers.length === 0 || answers.some((a) => a.status === 'rejected') ? undefined : false;
  }

  /** Ends one binding, or all of the account, silently. Answers which; undefined: there is none. */
  async drop(of: string, bindingId?: string): Promise<readonly string[] | undefined> {
    const aor = parseAor(of);
    const record = aor && (await this.#p.store.get(aor));
    const ids = (record?.bindings ?? []).map((b) => b.id).filter((id) => bindingId === undefined || id === bindingId);
    if (!aor || ids.length === 0) return undefined;
    await this.#p.intake.apply(aor, ...ids.map((id) => ({ type: 'DropRequested', bindingId: id }) as const));
    this.#p.log.info({ aor, bindingIds: ids }, 'bindings dropped by hand');
    return ids;
  }

  /** Undefined: no device of this AOR can be pushed. */
  async pushTest(of: string, purpose: TestPurpose): Promise<readonly PushTest[] | undefined> {
    const { delivery, store, clock } = this.#p;
    const aor = parseAor(of);
    if (!aor) return undefined;
    const tests = await testPush(delivery, await store.get(aor), aor, purpose, clock.now());
    return tests.length > 0 ? tests : undefined;
  }

  /** Lets the brake go: of one app, or of all that it holds. Answers what it held. */
  releaseBrake(app?: string): readonly BrakeState[] {
    return this.#p.brake.release(app);
  }
}

function brakeInWords({ app, reason }: BrakeState): string {
  const what = app === undefined ? 'The brake is on' : `The brake holds the app ${app}`;
  return `${what}: ${reason}. Its devices are pushed for calls, and none is notified or ended. What to do: look at the push key and its environment; when the apps really are gone, pushwake brake release.`;
}
