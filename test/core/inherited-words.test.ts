/** A stranger's word must not be looked up in what every object inherits: `constructor` is no transport and no cause. */
import { describe, expect, it } from 'vitest';
import { causeOf } from '../../adapters/pbx/freeswitch/calls/causes.ts';
import { parseSipUri } from '../../plugin/core/contact-uri.ts';
import { pushParamsOf } from '../../plugin/core/push-params.ts';

const WORDS = ['constructor', '__proto__', 'tostring', 'toString', 'valueOf', 'hasOwnProperty'];

describe.each(WORDS)('the word %s', (word) => {
  it.each(['sip', 'sips'])('as the transport of a %s URI is the text it is', (scheme) => {
    expect(parseSipUri(`${scheme}:a@h;transport=${word}`)?.transport).toBe(word.toLowerCase());
  });

  it('as the name of a push service is a service we do not know', () => {
    const read = pushParamsOf(`sip:a@h;pn-provider=${word};pn-param=p;pn-prid=t`);
    expect(read).toMatchObject({ kind: 'push', targets: { call: { provider: word.toLowerCase() } } });
  });

  it('as a cause of FreeSWITCH is an unknown one', () => {
    expect(causeOf(word)).toBe(31);
  });

  it('as the name of a parameter is a parameter', () => {
    expect(parseSipUri(`sip:a@h;${word}=1`)?.params).toEqual([{ name: word, value: '1' }]);
  });
});
