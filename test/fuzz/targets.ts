/** What is fuzzed: everything that a stranger, a PBX or a file can hand to us. Each target says what its inputs look like and what must hold. */
import { EventEmitter } from 'node:events';
import modesl from 'modesl';
import { dialText as asteriskDial, compose } from '../../adapters/pbx/asterisk/dial.ts';
import { parseHep } from '../../adapters/pbx/asterisk/hep-datagram.ts';
import { RegisterPairs } from '../../adapters/pbx/asterisk/hep-register.ts';
import { translate as ariFact, translateWaiting } from '../../adapters/pbx/asterisk/translate.ts';
import { headersOf } from '../../adapters/pbx/freeswitch/connection.ts';
import { dialText as freeSwitchDial, readStored } from '../../adapters/pbx/freeswitch/registrations/parse.ts';
import { ownAddresses, readRegistrations } from '../../adapters/pbx/freeswitch/registrations/xml-status.ts';
import { translate as eslFact, worthReading } from '../../adapters/pbx/freeswitch/translate.ts';
import { checkEndpoint, isPublicAddress } from '../../adapters/push/webpush/address.ts';
import { ConfigError, parseConfig } from '../../config/load.ts';
import { adapters, schemasOf } from '../../plugin/app/adapters.ts';
import { ImportError, importLines } from '../../plugin/commands/bindings/transfer.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { decodeRecord, encodeRecord, RecordError } from '../../plugin/core/binding.ts';
import { parseContacts } from '../../plugin/core/contact-uri.ts';
import { pushParamsOf, stripPushParams } from '../../plugin/core/push-params.ts';
import { MONDAY } from '../support/builders.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { Broken } from './broken.ts';
import { asAsterisk, asFreeSwitch } from './dial-model.ts';
import { bodies } from './http-bodies.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Inputs that are right, to begin with. */
  readonly seeds: readonly string[];
  /** Bytes that inputs of this kind are made of. */
  readonly words: readonly string[];
  /** The longest time in ms that one input may keep the main thread. Default 50. */
  readonly longestMs?: number;
  /** Takes one input. Answers what kind of outcome it was; throws `Broken` where something must not be, anything else is a crash. */
  run(input: Buffer): string | Promise<string>;
}

const TOKEN = 'c'.repeat(64);
const URI = `sip:1001@192.0.2.1:5061;transport=tls;pn-provider=apns;pn-param=TEAM123456.com.example.phone.voip&remote;pn-prid=${TOKEN}:voip&${TOKEN}:remote`;
const DIAL_WORDS = [
  '&',
  '|',
  ',',
  ':_:',
  '${',
  '$[',
  '}',
  '[',
  ']',
  '(',
  ')',
  '{',
  '<',
  '>',
  "'",
  '"',
  '\\',
  '\r\n',
  '\0',
  ' ',
  '%2C',
  '%26',
  '%0a',
  '^^',
  '?',
  ';',
  '@',
  ':',
  'sip:',
  'sips:',
  'PJSIP/',
  'sofia/',
  ';fs_path=',
  ';fs_nat=yes',
  ';transport=udp',
  ';pn-prid=',
  ';pn-provider=',
  ';pn-param=',
  '(null)',
  '[::1]',
  '*',
  '!',
  '+sip.instance=',
];

function oneTarget(what: string, { targets, wrong }: ReturnType<typeof asAsterisk>, text: string): void {
  if (wrong !== undefined || targets !== 1)
    throw new Broken(`${what} reads ${wrong ?? `${targets} targets`} in ${text.slice(0, 200)}`);
}

const contactTarget: FuzzTarget = {
  name: 'contact',
  seeds: [
    URI,
    `<${URI}>;expires=3600;+sip.instance="<urn:uuid:1>"`,
    `"A, B" <sip:a@b>, <sip:c@[2001:db8::1]:5060;line=x>`,
    'sip:1001@example.com;pn-type=firebase;app-id=1;pn-tok=abc',
    `"x" <${URI};fs_nat=yes;fs_path=sip%3A10.0.0.1%3A5060%3Btransport%3Dudp>`,
  ],
  words: DIAL_WORDS,
  run(input) {
    const text = input.toString('utf8');
    const params = pushParamsOf(text);
    const list = parseContacts(text);
    const uris = [text, ...list.contacts.map((c) => c.uri)];
    let dialled = 0;
    for (const uri of uris) {
      if (/;\s*pn-/i.test(stripPushParams(uri)) && pushParamsOf(stripPushParams(uri)).kind === 'push')
        throw new Broken('push parameters are left after they were stripped');
      const contact = { pbx: 'office', aor: '1001@example.com' as Aor, uri };
      const asterisk = asteriskDial('1001', contact);
      if (asterisk.ok) {
        dialled++;
        oneTarget('Asterisk', asAsterisk(asterisk.text), asterisk.text);
        const { variables } = compose('1001', 'id', [{ kind: 'contact', contact }]);
        oneTarget('Asterisk', asAsterisk(variables.PUSHWAKE_DIAL ?? ''), variables.PUSHWAKE_DIAL ?? '');
      }
      const stored = readStored(uri);
      const freeSwitch = stored && freeSwitchDial('internal', stored, new Set(['192.0.2.9:5060']));
      if (freeSwitch?.ok) {
        dialled++;
        oneTarget('FreeSWITCH', asFreeSwitch(freeSwitch.text), freeSwitch.text);
      }
    }
    return `${params.kind} ${list.contacts.length > 3 ? 'many' : list.contacts.length} ${Math.min(dialled, 3)} ${list.reason ?? ''}`;
  },
};

const REGISTER = [
  'REGISTER sip:example.com SIP/2.0',
  'Via: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1',
  'From: <sip:1001@example.com>;tag=1',
  'To: <sip:1001@example.com>',
  'Call-ID: abc@192.0.2.1',
  'CSeq: 1 REGISTER',
  `Contact: <${URI}>;expires=3600`,
  'Content-Length: 0',
  '',
  '',
].join('\r\n');
const hep = (payload: string): string => {
  const chunk = (type: number, value: Buffer) => {
    const head = Buffer.alloc(6);
    head.writeUInt16BE(type, 2);
    head.writeUInt16BE(value.length + 6, 4);
    return Buffer.concat([head, value]);
  };
  const body = Buffer.concat([
    chunk(3, Buffer.from([192, 0, 2, 1])),
    chunk(7, Buffer.from([0x13, 0xc5])),
    chunk(9, Buffer.from([0x60, 0, 0, 0])),
    chunk(15, Buffer.from(payload, 'latin1')),
  ]);
  const head = Buffer.from('HEP3\0\0', 'latin1');
  head.writeUInt16BE(body.length + 6, 4);
  return Buffer.concat([head, body]).toString('latin1');
};

let machineMs = 0;
const pairs = new RegisterPairs({ now: () => MONDAY, monotonicMs: () => machineMs, fromPbx: () => MONDAY });

const hepTarget: FuzzTarget = {
  name: 'hep',
  seeds: [
    hep(REGISTER),
    hep(REGISTER.replace('REGISTER sip:example.com SIP/2.0', 'SIP/2.0 200 OK')),
    hep(REGISTER.replace('REGISTER sip:example.com SIP/2.0', 'SIP/2.0 403 Forbidden')),
  ],
  words: [
    'HEP3',
    '\r\n',
    'Contact: ',
    'm: ',
    'i: ',
    'CSeq: 2 REGISTER',
    'Call-ID: ',
    'SIP/2.0 200 OK',
    'REGISTER sip:',
    '\0\0',
    '\xff\xff',
    'expires=0',
    '*',
    ' \t',
  ],
  run(input) {
    machineMs += 5;
    const datagram = parseHep(input);
    const plain = { payload: input, source: '192.0.2.1:5060' };
    const read = pairs.take(datagram ?? plain);
    if (pairs.waiting > 10_000 || pairs.remembered > 20_000)
      throw new Broken('more is remembered than there is room for');
    return `${datagram ? 'hep' : 'none'} ${read ? ('refused' in read ? 'refused' : 'register') : 'nothing'}`;
  },
};

const ARI = [
  {
    type: 'StasisStart',
    timestamp: '2026-01-05T12:00:00.000+0000',
    args: ['device', 'r1', '1001@example.com', 'id'],
    channel: {
      id: '1.1',
      name: 'Local/x',
      caller: { name: 'a', number: 'b' },
      dialplan: { context: 'x', exten: 's', priority: 1 },
      channelvars: { PUSHWAKE_ID: 'x' },
    },
  },
  {
    type: 'ContactStatusChange',
    timestamp: '2026-01-05T12:00:00.000+0000',
    contact_info: { uri: URI, contact_status: 'NonQualified', aor: '1001', roundtrip_usec: '0' },
  },
  { type: 'Dial', dialstatus: 'RINGING', peer: { id: '1.2', name: 'PJSIP/1001-1' }, caller: { id: '1.1' } },
  { type: 'ChannelDestroyed', cause: 16, channel: { id: '1.1' } },
  { type: 'ChannelUserevent', eventname: 'x', userevent: {} },
];
const json = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const ariTarget: FuzzTarget = {
  name: 'ari',
  seeds: ARI.map((e) => JSON.stringify(e)),
  words: [
    'null',
    '[]',
    '{}',
    '""',
    '1e999',
    '-1',
    'true',
    '"__proto__":',
    '"args":',
    '"channel":',
    '"type":"StasisStart"',
    '"type":"StasisEnd"',
    '\\u0000',
    ',',
  ],
  run(input) {
    const event = json(input.toString('utf8'));
    if (event === undefined) return 'no JSON';
    translateWaiting(event, 'pushwake');
    return `fact ${String((ariFact(event) as { fact?: unknown } | undefined)?.fact)}`;
  },
};

const eslTarget: FuzzTarget = {
  name: 'esl',
  seeds: [
    {
      'Event-Name': 'CUSTOM',
      'Event-Subclass': 'sofia::register',
      'from-user': '1001',
      'from-host': 'example.com',
      contact: `"" <${URI}>`,
      expires: '3600',
      'Event-Date-Timestamp': '1767614400000000',
      'profile-name': 'internal',
      'call-id': 'x',
    },
    {
      'Event-Name': 'CHANNEL_HANGUP',
      variable_pushwake_ref: 'r1',
      'Hangup-Cause': 'NORMAL_CLEARING',
      'Unique-ID': 'u',
    },
    { 'Event-Name': 'MESSAGE', pushwake_text: '1', to: 'a', from_full: 'b', type: 'text/plain', _body: 'x' },
    {
      'Event-Name': 'MESSAGE_WAITING',
      'MWI-Messages-Waiting': 'yes',
      'MWI-Message-Account': 'sip:1001@example.com',
      'MWI-Voice-Message': '1/0 (0/0)',
    },
  ].map((e) => {
    const body = JSON.stringify(e);
    return `Content-Length: ${body.length}\nContent-Type: text/event-json\n\n${body}`;
  }),
  words: [
    'Content-Length: ',
    '\n\n',
    '\n',
    '{',
    '}',
    '"Event-Name":"CUSTOM"',
    '"Event-Subclass":"sofia::expire"',
    ',',
    '[]',
    '%',
    '-ERR',
    'Content-Type: text/disconnect-notice\n\n',
    'Content-Type: command/reply\nReply-Text: +OK\n\n',
  ],
  run(input) {
    const socket = new EventEmitter();
    const { Parser } = modesl as unknown as { Parser: new (socket: EventEmitter) => EventEmitter };
    const parser = new Parser(socket);
    const seen: string[] = [];
    parser.on('error', () => undefined);
    parser.on('esl::event', (event: Parameters<typeof headersOf>[0]) => {
      const headers = headersOf(event);
      const worth = worthReading(headers);
      seen.push(String((worth && eslFact(worth))?.fact));
    });
    // Split where the input itself says, so that a kept input fails again.
    const cut = input.length === 0 ? 0 : (input[0] ?? 0) % input.length;
    try {
      for (const piece of [input.subarray(0, cut), input.subarray(cut)]) socket.emit('data', piece);
    } catch (error) {
      // No JSON: that event is lost. A frame's own header with a broken escape: the worker ends and is started anew (supervised-worker.ts).
      if (error instanceof SyntaxError) return 'no JSON';
      if (error instanceof URIError) return 'no header';
      throw error;
    }
    return seen.slice(0, 2).join(' ');
  },
};

const xmlTarget: FuzzTarget = {
  name: 'xml',
  seeds: [
    `<?xml version="1.0"?>\n<profile>\n  <registrations>\n    <registration>\n        <call-id>a@b</call-id>\n        <user>1001@example.com</user>\n        <contact>&quot;x&quot; &lt;${URI.replaceAll('&', '&amp;')}&gt;</contact>\n        <agent>Linphone</agent>\n        <status>Registered(TLS)(unknown) exp(2026-01-05 12:00:00) expsecs(3600)</status>\n    </registration>\n  </registrations>\n</profile>\n`,
    '<profile><profile-info><url>sip:mod_sofia@192.0.2.9:5060</url><tls-bind-url>sips:mod_sofia@192.0.2.9:5061;maddr=x</tls-bind-url></profile-info></profile>',
  ],
  words: [
    '<registration>\n',
    '</registration>',
    '<call-id>',
    '</call-id>',
    '<contact>',
    '</profile>\n',
    'expsecs(',
    '&amp;',
    '&lt;',
    '&',
    '<',
    '>',
    '\n',
    '<url>',
    '</url>',
    '@[',
    ']:',
  ],
  run(input) {
    const xml = input.toString('utf8');
    const rows = readRegistrations('internal', xml);
    for (const { contact } of rows ?? []) readStored(contact);
    return `${rows === undefined ? 'nothing' : Math.min(rows.length, 3)} ${Math.min(ownAddresses(xml).length, 3)}`;
  },
};

const schemas = schemasOf(await adapters());
const yamlTarget: FuzzTarget = {
  name: 'yaml',
  // The administrator's own file, read once at the start: 64 kB of nested errors take the YAML library 1.5 s, in proportion to their length.
  longestMs: 5_000,
  seeds: [
    'pbx: { office: { type: asterisk, url: "http://127.0.0.1:8088", password: x, realm: example.com } }\npolicies:\n  - aor: "*"\n    policy: { ttl: 7d }\n',
    'store: { type: sqlite, file: x.db }\nhttp: { devices: { port: 1 } }\n',
  ],
  words: [
    '*a',
    '&a ',
    '<<: ',
    '- ',
    '? ',
    ': ',
    '[',
    ']',
    '{',
    '}',
    '!!binary ',
    '|\n',
    '>\n',
    '---\n',
    '...\n',
    '\t',
    '\n  ',
    '${',
    '__proto__',
    'constructor',
    'policies:',
    'pbx:',
    '"',
    "'",
    '#',
    '1e99',
    '.nan',
    '\0',
    '\ufeff',
  ],
  run(input) {
    try {
      parseConfig('f.yaml', input.toString('utf8'), schemas);
      return 'read';
    } catch (error) {
      if (error instanceof ConfigError) return `mistakes ${Math.min(3, error.message.split('\n').length)}`;
      throw error;
    }
  },
};

const addressTarget: FuzzTarget = {
  name: 'webpush-address',
  seeds: [
    'https://push.example.com/x?y#z',
    'https://fcm.googleapis.com/fcm/send/abc',
    '192.0.2.1',
    '2001:db8::1',
    '::ffff:127.0.0.1',
  ],
  words: [
    'https://',
    'http://',
    '@',
    ':',
    ':443',
    '/',
    '[',
    ']',
    '127.0.0.1',
    '0x7f.1',
    '2130706433',
    '::1',
    '.',
    '%2e',
    '。',
    '#',
    '?',
    '\\',
    '\t',
    'localhost',
    'xn--',
  ],
  run(input) {
    const text = input.toString('utf8');
    const given = checkEndpoint(text, undefined);
    if (
      given.ok &&
      (given.url.protocol !== 'https:' ||
        given.url.port !== '' ||
        /^(?:\d+(?:\.\d+){3}\.?$|\[)/.test(given.url.hostname))
    )
      throw new Broken(`an endpoint is allowed that leads elsewhere: ${given.url.href}`);
    if (isPublicAddress(text) && /^(?:127|10|0|169\.254|192\.168)\./.test(text))
      throw new Broken('an address inside passes for a public one');
    return given.ok ? 'allowed' : 'refused';
  },
};

const RECORD = '{"format":2,"aor":"1001@example.com","version":1,"bindings":[],"tombstones":[]}';
const recordTarget: FuzzTarget = {
  name: 'records',
  seeds: [
    RECORD,
    RECORD.replace(
      '"bindings":[]',
      `"bindings":[{"id":"aaaaaaaaaaaaaaaa","createdAt":1,"evidence":{},"targets":{"call":{"provider":"apns","app":"a","token":"${TOKEN}"}},"contacts":[],"renewedAt":1,"endsAt":2,"sent":[],"unansweredWakes":0}]`,
    ),
    `{"pushwake":"bindings","format":1,"exportedAt":"x"}\n${RECORD}\n`,
  ],
  words: [
    'null',
    '[]',
    '{}',
    '""',
    '1e999',
    '-1',
    '"__proto__":',
    '"bindings":[',
    '"tombstones":',
    '"format":3',
    '"format":1',
    ',',
    '\n',
    '{"text":{}}',
  ],
  async run(input) {
    const text = input.toString('utf8');
    let kind = 'refused';
    try {
      const record = decodeRecord(text);
      const again = decodeRecord(encodeRecord(record));
      if (encodeRecord(again) !== encodeRecord(record))
        throw new Broken('a record changes when it is written and read again');
      kind = 'record';
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
    }
    try {
      const { imported } = await importLines(new MemoryStore(), text, { replace: true });
      return `${kind} imported ${Math.min(imported, 2)}`;
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      return `${kind} not imported`;
    }
  },
};

export const TARGETS: readonly FuzzTarget[] = [
  contactTarget,
  hepTarget,
  ariTarget,
  eslTarget,
  xmlTarget,
  yamlTarget,
  addressTarget,
  recordTarget,
  ...bodies,
];
