/** What a phone sent and received, and waiting for something to become true without sleeping. */

export interface LogEntry {
  /** `performance.now()`. */
  readonly at: number;
  readonly direction: 'sent' | 'received' | 'note';
  /** The message as on the wire, or a note. */
  readonly text: string;
}

export class PhoneLog {
  readonly entries: LogEntry[] = [];
  readonly #openedAt = performance.now();

  add(direction: LogEntry['direction'], text: string): LogEntry {
    const entry = { at: performance.now(), direction, text };
    this.entries.push(entry);
    return entry;
  }

  /** Messages that contain a text or match a pattern; an empty list proves that it never went over the wire. */
  find(what: string | RegExp, direction?: LogEntry['direction']): LogEntry[] {
    return this.entries.filter(
      (entry) =>
        (direction === undefined || entry.direction === direction) &&
        (typeof what === 'string' ? entry.text.includes(what) : what.test(entry.text)),
    );
  }

  /** The whole conversation, for a search or a failing test. */
  text(): string {
    return this.entries.map(({ at, direction, text }) => `${this.#since(at)} ${direction}\n${text}`).join('\n');
  }

  /** One line per message. */
  timeline(): string {
    return this.entries
      .map(({ at, direction, text }) => `${this.#since(at)} ${direction} ${text.split('\r\n')[0]}`)
      .join('\n');
  }

  #since(at: number): string {
    return `${(at - this.#openedAt).toFixed(1)} ms`;
  }
}

/** Conditions that are looked at again whenever something happened. */
export class Waiters {
  readonly #checks = new Set<() => void>();

  /** Something happened. */
  notify(): void {
    for (const check of [...this.#checks]) check();
  }

  /**
   * Resolves with what `check` answers as soon as that is neither undefined, null nor false. `explain` is called for the
   * error when the time is up.
   */
  waitFor<T>(check: () => T | undefined | null | false, timeoutMs: number, explain: () => string): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        try {
          const value = check();
          if (value === undefined || value === null || value === false) return;
          stop();
          resolve(value);
        } catch (error) {
          stop();
          reject(error);
        }
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(explain()));
      }, timeoutMs);
      const stop = (): void => {
        clearTimeout(timer);
        this.#checks.delete(look);
      };
      this.#checks.add(look);
      look();
    });
  }
}
