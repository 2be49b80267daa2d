/**
 * Everything FreeSWITCH sent in the lab, through modesl's own framing and `translate.ts`, as one stream, byte by byte, and split
 * in two at every byte a TCP stream can split at.
 */
import { EventEmitter } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import modesl, { type EslEvent } from 'modesl';
import { describe, expect, it } from 'vitest';
import { headersOf } from '../../adapters/pbx/freeswitch/connection.ts';
import type { FsFact } from '../../adapters/pbx/freeswitch/facts.ts';
import { dialText, readStored } from '../../adapters/pbx/freeswitch/registrations/parse.ts';
import { translate, worthReading } from '../../adapters/pbx/freeswitch/translate.ts';

const FOLDER = fileURLToPath(new URL('../transcripts/freeswitch/', import.meta.url));
const NAMES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.esl'))
  .sort();
const bytesOf = (name: string) => readFileSync(`${FOLDER}${name}`);

/** The way of an event in the worker and out of it. */
function factsOf(chunks: Iterable<Buffer>): FsFact[] {
  const socket = new EventEmitter();
  const parser = new modesl.Parser(socket);
  const facts: FsFact[] = [];
  parser.on('error', () => undefined);
  parser.on('esl::event', (event: EslEvent) => {
    const read = worthReading(headersOf(event));
    const fact = read && translate(read);
    if (fact) facts.push(fact);
  });
  for (const chunk of chunks) socket.emit('data', chunk);
  return facts;
}

/** In the plain format modesl throws on a stray `%`; only the json we subscribe to is safe. */
const THROWS = new Set(['register-evil-bytes-plain.esl']);

const oneByOne = function* (bytes: Buffer) {
  for (let i = 0; i < bytes.length; i++) yield bytes.subarray(i, i + 1);
};

/** Where each frame begins. */
function frameStarts(bytes: Buffer): number[] {
  const starts = [0];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\n\n', at);
    if (end < 0) return starts;
    const length = /^Content-Length: (\d+)$/m.exec(bytes.toString('latin1', at, end))?.[1] ?? '0';
    at = end + 2 + Number(length);
    starts.push(at);
  }
}

describe('recorded streams', () => {
  it('become the facts we expect of them, one by one', () => {
    const text = NAMES.map((name) => {
      const facts = THROWS.has(name) ? [] : factsOf([bytesOf(name)]);
      return [`## ${name}`, ...facts.map((fact) => JSON.stringify(fact)), ''].join('\n');
    }).join('\n');
    const golden = `${FOLDER}facts.expected.txt`;
    if (process.env.UPDATE_DOCS) writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, 'utf8'));
  });

  it.each(NAMES.filter((name) => !THROWS.has(name)))('%s: the same facts, however TCP cuts it', (name) => {
    const bytes = bytesOf(name);
    const whole = factsOf([bytes]);
    expect(factsOf(oneByOne(bytes))).toEqual(whole);
    // A cut concerns the frame it falls into and the one that begins in the same chunk; the others are cut at their ends.
    const starts = frameStarts(bytes);
    for (let f = 0; f + 1 < starts.length; f++) {
      const from = starts[f] ?? 0;
      const until = starts[f + 2] ?? bytes.length;
      const two = bytes.subarray(from, until);
      const expected = JSON.stringify(factsOf([two]));
      for (let cut = 1; cut <= (starts[f + 1] ?? until) - from; cut++) {
        const got = JSON.stringify(factsOf([two.subarray(0, cut), two.subarray(cut)]));
        if (got !== expected) expect.fail(`cut ${from + cut}: ${got} instead of ${expected}`);
      }
    }
  });

  it('control: a stream that lost one byte is noticed', () => {
    const bytes = bytesOf('recommended-r1-mobile-answers.esl');
    const without = Buffer.concat([bytes.subarray(0, 400), bytes.subarray(401)]);
    expect(factsOf([without])).not.toEqual(factsOf([bytes]));
  });
});

describe('what a stranger wrote', () => {
  const hostile = NAMES.filter((name) => /injection|evil/.test(name) && !THROWS.has(name));
  const contacts = hostile
    .flatMap((name) => factsOf([bytesOf(name)]))
    .flatMap((fact) => (fact.fact === 'registered' ? [fact.contact] : []));

  it('is in the recordings', () => {
    expect(contacts.some((c) => c.includes(',sofia/internal/'))).toBe(true);
    expect(contacts.some((c) => c.includes(`\${uuid}`))).toBe(true);
  });

  it('is dialled as one harmless URI without push parameters, or not at all', () => {
    for (const text of contacts) {
      const stored = readStored(text);
      const dial = stored && dialText('internal', stored, new Set());
      if (dial?.ok) expect(dial.text).toMatch(/^sofia\/internal\/sips?:[A-Za-z0-9.@:;=~+%_-]+$/);
      if (dial?.ok) expect(dial.text).not.toContain('pn-');
    }
  });
});
