/** `pushwake bindings …`: looks at what is stored, takes it out and in, and ends single bindings. */
import { type Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { policyChooser } from '../../config/policies.ts';
import type { Aor } from '../core/aor.ts';
import { describeRecord, type ShownRecord, shownBinding } from '../core/describe.ts';
import { targetList } from '../core/identity.ts';
import { transition } from '../core/lifecycle.ts';
import { OLDER_FORMATS } from '../core/old-records.ts';
import { recordInWords } from '../core/wake-record.ts';
import { askAdmin, refusal } from './admin-client.ts';
import { readIn, writeOut } from './bindings/files.ts';
import { CommandError, EXIT } from './exit.ts';
import { type Loaded, load, openStore, wholeAor, withConfig } from './setup.ts';
import { ask, isYes, progress, say } from './terminal.ts';

export function addBindings(program: Command): void {
  const bindings = program
    .command('bindings')
    .description('Looks at what is stored, also while pushwake runs; export, import, drop.')
    .addHelpText(
      'after',
      `
Tokens show as fingerprints everywhere but in an export.

Examples:
  $ pushwake bindings list
  $ pushwake bindings show 1001
  $ pushwake bindings export backup.jsonl`,
    );
  addList(bindings);
  addShow(bindings);
  addDrop(bindings);
  addExport(bindings);
  addImport(bindings);
}

function addList(bindings: Command): void {
  withConfig(bindings.command('list'))
    .description('One line per binding: account, when it ends, app, fingerprints of its tokens.')
    .option('--json', 'one JSON object per line')
    .addHelpText('after', '\nExample:\n  $ pushwake bindings list --json | jq -r "select(.state != \\"live\\") | .aor"')
    .action(async (o: { config: string; json?: boolean }) => {
      const store = await openStore(await load(o.config), 'read');
      // Where the list itself runs over the screen there is nothing to wait for.
      const bar = process.stdout.isTTY ? undefined : progress('accounts read:');
      try {
        for await (const record of store.scan()) {
          bar?.step();
          for (const b of record.bindings) {
            const tokens = targetList(b.targets).map((t) => `${t.provider}:${t.token.fingerprint}`);
            const app = targetList(b.targets)[0]?.app ?? '-';
            const endsAt = new Date(b.endsAt).toISOString();
            const state = b.ending ? `ending (${b.ending.reason})` : 'live';
            const wakes = recordInWords(b.wakes);
            say(
              o.json
                ? JSON.stringify({ aor: record.aor, ...shownBinding(b), state, app, tokens, wakes: b.wakes ?? [] })
                : `${record.aor}  ${b.id}  ${state}  ends ${endsAt}  ${app}  ${tokens.join(' ')}  ${wakes}`,
            );
          }
        }
      } finally {
        bar?.end();
        await store.close();
      }
    });
}

function addShow(bindings: Command): void {
  withConfig(bindings.command('show'))
    .description('Everything that is kept of one account, in sentences.')
    .argument('<aor>', 'the account: 1001@example.com, or 1001 where there is one realm')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExit code 1: nothing is stored for this account.\n\nExample:\n  $ pushwake bindings show 1001',
    )
    .action(async (text: string, o: { config: string; json?: boolean }) => {
      const loaded = await load(o.config);
      const shown = await shownRecord(loaded, wholeAor(loaded.config, text));
      if (o.json) return say(JSON.stringify(shown));
      for (const sentence of shown.sentences) say(sentence);
    });
}

async function shownRecord(loaded: Loaded, aor: Aor): Promise<ShownRecord> {
  const store = await openStore(loaded, 'read');
  try {
    const record = await store.get(aor);
    if (!record) throw new CommandError(`nothing is stored for ${aor}`, EXIT.failed);
    return describeRecord(record, systemClock().now());
  } finally {
    await store.close();
  }
}

function addDrop(bindings: Command): void {
  withConfig(bindings.command('drop'))
    .description('Ends the bindings of an account, or one of them, without a word to its user; its contact is removed.')
    .argument('<aor>', 'the account: 1001@example.com, or 1001 where there is one realm')
    .argument('[bindingId]', 'only this one, as `bindings list` names it')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
A running pushwake does it at once: that needs a token of role "operate" under http.admin.tokens. One that is stopped finds
it in its store when it starts. An app that is in use comes back with its next REGISTER.

Examples:
  $ pushwake bindings drop 1001
  $ pushwake bindings drop 1001@example.com 0f31c2d4e5a6b7c8 --yes`,
    )
    .action(
      async (text: string, bindingId: string | undefined, o: { config: string; yes?: boolean; json?: boolean }) => {
        const loaded = await load(o.config);
        const aor = wholeAor(loaded.config, text);
        const shown = await shownRecord(loaded, aor);
        const wanted = shown.bindings
          .map((b) => b.bindingId)
          .filter((id) => bindingId === undefined || id === bindingId);
        if (wanted.length === 0) {
          const ids = shown.bindings.map((b) => b.bindingId).join(', ') || 'none';
          throw new CommandError(`${aor} has no such binding; it has ${ids}`, EXIT.failed);
        }
        if (!o.yes) {
          const answer = await ask(`End ${wanted.length} binding(s) of ${aor} (${wanted.join(', ')})? [y/N] `);
          if (answer === undefined) throw new CommandError('nobody can be asked here; say --yes if you mean it');
          if (!isYes(answer)) return say('nothing was changed');
        }
        const by = await drop(loaded, aor, bindingId);
        say(o.json ? JSON.stringify({ aor, dropped: wanted, by }) : `dropped ${wanted.join(', ')} of ${aor}${BY[by]}`);
      },
    );
}

const BY = { running: '', store: '; pushwake is stopped and removes their contacts when it starts' } as const;

/** By the running pushwake when there is one: it holds the store, and the effects follow at once. */
async function drop(loaded: Loaded, aor: Aor, bindingId: string | undefined): Promise<'running' | 'store'> {
  const query = bindingId === undefined ? '' : `?bindingId=${encodeURIComponent(bindingId)}`;
  const path = `/v1/bindings/${encodeURIComponent(aor)}${query}`;
  const answer = await askAdmin(loaded.config.http.admin, { method: 'DELETE', path, role: 'operate' });
  if (!('unreachable' in answer)) {
    if (answer.status === 200) return 'running';
    throw new CommandError(
      refusal(answer),
      answer.status === 401 || answer.status === 403 ? EXIT.cannotAsk : EXIT.failed,
    );
  }
  // A store with one writer refuses when a pushwake without http.admin runs, and says so.
  const store = await openStore(loaded, 'write');
  try {
    const policyFor = policyChooser(loaded.config)(aor);
    for (let tries = 0; tries < 5; tries++) {
      const before = await store.get(aor);
      if (!before) return 'store';
      const ids = before.bindings.map((b) => b.id).filter((id) => bindingId === undefined || id === bindingId);
      const now = systemClock().now();
      const after = ids.reduce(
        (record, id) => transition(record, { type: 'DropRequested', bindingId: id }, now, policyFor).record,
        before,
      );
      if ((await store.put(after, before.version)).ok) return 'store';
    }
    throw new CommandError(`the record of ${aor} is being changed all the time; try again`, EXIT.failed);
  } finally {
    await store.close();
  }
}

function addExport(bindings: Command): void {
  withConfig(bindings.command('export'))
    .description('Writes all records as JSON lines, push tokens included: keep the file as secret as the store.')
    .argument('<file>', 'new file, made with mode 0600')
    .option('--record-format <n>', `for an older pushwake: ${OLDER_FORMATS.join(', ')} (1: version 0.1.0)`, olderFormat)
    .option('--json', 'one JSON object that says how many')
    .addHelpText(
      'after',
      '\nAlso while pushwake runs.\n\nExample:\n  $ pushwake bindings export /var/backups/bindings.jsonl',
    )
    .action(async (file: string, o: { config: string; recordFormat?: number; json?: boolean }) => {
      const { records } = await writeOut(await load(o.config), file, { texts: false, recordFormat: o.recordFormat });
      say(o.json ? JSON.stringify({ file, records }) : `${records} records written to ${file}`);
    });
}

function olderFormat(text: string): number {
  const format = OLDER_FORMATS.find((n) => String(n) === text);
  if (format === undefined) throw new InvalidArgumentError(`expected ${OLDER_FORMATS.join(' or ')}`);
  return format;
}

function addImport(bindings: Command): void {
  withConfig(bindings.command('import'))
    .description('Reads such a file into the store. Stop pushwake first. A file with a mistake changes nothing.')
    .argument('<file>')
    .option('--replace', 'records that exist already give way; without it they are left as they are')
    .option('--json', 'one JSON object that says how many')
    .addHelpText(
      'after',
      '\nExample, from SQLite to Redis:\n  $ pushwake bindings export all.jsonl -c old.yaml\n  $ pushwake bindings import all.jsonl -c new.yaml',
    )
    .action(async (file: string, o: { config: string; replace?: boolean; json?: boolean }) => {
      const { imported, kept } = await readIn(await load(o.config), file, { replace: o.replace ?? false });
      say(
        o.json
          ? JSON.stringify({ file, imported, kept: kept.length })
          : `${imported} records imported, ${kept.length} left as they are`,
      );
    });
}
