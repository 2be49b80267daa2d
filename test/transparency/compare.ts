/**
 * What may differ, and why: each rule takes its difference out of what was seen, and nothing else. What is left must be equal. The
 * table of docs/limits.md is made of these rules.
 */
import type { Seen } from './bench.ts';

export interface Explained {
  /** As the documentation says it. */
  readonly what: string;
  readonly why: string;
  /** What was seen through pushwake, as it would be without this difference. */
  readonly mend: (place: string, text: string, plain: string, lacksB: boolean) => string;
}

const rowsOf = (text: string): string[] => text.split(' ## ').filter(Boolean);
/** The same account, caller, both channels and application: the extension and the outcome may be said by the row of either leg. */
const sameParties = (a: string, b: string): boolean => {
  const of = (row: string) =>
    row
      .split('|')
      .filter((_, i) => ![2, 3, 9].includes(i) && !(i === 6 && row.includes('|ConfBridge|')))
      .join('|');
  return of(a) === of(b);
};
const OUR_NUMBER = /^(?:[\w-]+@pushwake\/n|<ref>@pushwake-(?:device|stored)\/n|[\w-]+\/sip:.*|[\w-]+)$/;
/** A row of a leg of ours that the phone has taken the place of. */
const isOurs = (row: string): boolean => /\|Local\/[^|]*@pushwake[^|]*;1\|/.test(row);
const OUR_DIAL = /Local\/[\w-]+@pushwake\/n|Local\/<ref>@pushwake-(?:device|stored)\/n|PJSIP\/[\w-]+\/sip:[^,&|]*/g;
/** The endpoint that the case dials. */
const endpointIn = (plain: string): string => /PJSIP\/(?!1002|2000|3000)[\w-]+/.exec(plain)?.[0] ?? 'PJSIP/1001';

export const EXPLAINED: readonly Explained[] = [
  {
    what: 'our legs are seen: as text of the Dial (`DIALEDPEERNUMBER`, `lastdata` of CDR), as `PUSHWAKE_…`, `TRANSFER_CONTEXT` and `GOSUB_…` on the phone’s channel, as channels and a pickup in CEL and manager events, as `X-Push-ID` in the INVITE of a pushed phone, whose Request-URI and To are without its push parameters',
    why: 'they repeat what was dialled; the app pairs push and call by the id; a token is nobody’s business but ours',
    mend: (place, text, plain) => {
      if (place === 'CDR rows')
        return text
          .replace(OUR_DIAL, endpointIn(plain))
          .replaceAll('-local', '-plain')
          .replaceAll('|local,n|', '|plain,n|');
      if (place.endsWith(': X-Push-ID')) return '';
      if (place.startsWith('CEL'))
        return text
          .replace(/"(?:PICKUP|FORWARD)",\S*/g, '')
          .replace(/\s+/g, ' ')
          .trim();
      if (place.startsWith('variables of')) {
        const ours = /^(?:PUSHWAKE_|TRANSFER_CONTEXT|GOSUB_|DIALEDPEERNUMBER|FORWARDERNAME)/;
        return text
          .split(' ')
          .filter((v) => !ours.test(v))
          .join(' ')
          .trim();
      }
      if (place !== 'variables') return text;
      const numbers = rowsOf(plain).map((row) => row.split('|')[3] ?? '');
      return rowsOf(text)
        .map((row, i) =>
          row
            .split('|')
            .map((v, field) => (field === 3 && OUR_NUMBER.test(v) ? (numbers[i] ?? v) : v))
            .join('|'),
        )
        .join(' ## ');
    },
  },
  {
    what: 'CDR: the row of an answered call is two that follow each other, `caller → Local/…@pushwake…` until the phone answers and `caller → phone` from then on; who is billed and the sum of the seconds are those of the plain row, but for what Asterisk cuts off each row to have whole seconds; a transfer’s `dst` stands in the one or the other; a forward that option `i` forbids is BUSY for NO ANSWER',
    why: 'Asterisk writes a row per leg of a Dial, and what the caller is billed before the phone answers (by an IVR, a queue) is in that row ([ADR 0050](adr/0050-the-row-that-stays.md)). Count calls by the rows that name no `Local/…@pushwake…`',
    mend: (place, text, plain) => {
      if (place !== 'CDR rows') return text;
      const wanted = rowsOf(plain);
      const phones = rowsOf(text).filter((row) => !isOurs(row));
      // A leg that no phone took the place of stands for the phone.
      const legs = rowsOf(text)
        .filter(isOurs)
        .map((row) => row.replace(/Local\/[^|]*@pushwake[^|]*;1/, endpointIn(plain)))
        .slice(0, Math.max(0, wanted.length - phones.length));
      // What became of it is said by the row of who answered.
      const forbidden = (row: string) =>
        row.endsWith(',20,i|BUSY') && wanted.includes(row.replace(/BUSY$/, 'NO ANSWER'));
      const settled = (row: string) =>
        forbidden(row)
          ? row.replace(/BUSY$/, 'NO ANSWER')
          : ((wanted.length > 1 ? wanted.find((w) => sameParties(w, row)) : undefined) ?? row);
      return [...phones, ...legs].map(settled).sort().join(' ## ');
    },
  },
  {
    what: 'warnings in Asterisk’s log: "This function requires a PJSIP channel" of a subroutine in `b()`; "Stasis app …" while pushwake is down. While it is down or hangs, options `b` and `i` of a Dial or Queue that names `Local/…@pushwake` do not hold at the phones',
    why: 'Dial runs the subroutine at the Local leg too, which has no headers; it is run again at the phone, by pushwake, which reads the options ([ADR 0148](adr/0148-nobody-reads-what-another-channel-does.md)). `Gosub(pushwake-dial,…)` keeps them in any case; `Set(__PUSHWAKE_PREDIAL=…)` names the subroutine, and FreePBX’s is found',
    mend: (place, text, plain, lacksB) => {
      // What the subroutines of the cases set.
      const isSetByB = /^INVITE at phone: (?:Alert-Info|Call-Info|X-Args|X-Colour)$/.test(place);
      if (lacksB && isSetByB && text === '') return plain;
      return place === 'warnings'
        ? text
            .split('; ')
            .filter(
              (w) =>
                !w.includes('This function requires a PJSIP channel') &&
                !w.includes('Invalid cause given to Hangup') &&
                !/Stasis app 'pushwake' (?:not active|not registered|doesn't exist)|per-call config for app 'pushwake'/.test(
                  w,
                ),
            )
            .join('; ')
        : text;
    },
  },
  {
    what: 'a phone that was dialled by a leg of ours: with options `I` and `o` of Dial the caller is shown its name and number once it has answered; it cannot make a fax of the talk (its re-INVITE to T.38 is refused or not answered)',
    why: 'Asterisk’s pickup says who has picked up, and does not take T.38 over. A fax machine is dialled as `PJSIP/…`',
    mend: (place, text, plain) => {
      const isFax = place === 'the fax is taken' || place === 'offers to the caller';
      const isShown = place === 'answer at the caller: P-Asserted-Identity' && text.includes('Name 1001');
      return isShown || (isFax && plain !== '') ? plain : text;
    },
  },
  {
    what: 'the caller hears ringing (180) while the phone still wakes; a CANCEL when the time is up says `Q.850;cause=16` for `cause=0`',
    why: 'a caller who waits must hear something',
    mend: (place, text, plain) => {
      if (place.startsWith('end at')) return text.replace('Q.850;cause=16', 'Q.850;cause=0');
      if (place === 'caller gets') {
        const [later, first] = [text.replace(/^180 /, ''), plain.replace(/\b180 /, '')];
        return later === first || later.replace(/\b180 /, '') === first ? plain : text;
      }
      return place === 'answer at the caller: Allow' && plain === '' ? '' : text;
    },
  },
];

/**
 * What Asterisk 16.28 writes or leaves out as chance will have it, without us too: of 25 plain calls forwarded by a 302 three had no
 * `Diversion`. There its absence is no difference; another text is.
 */
const isByChance = (place: string, left: string, right: string): boolean =>
  process.env.PUSHWAKE_ASTERISK === '16' &&
  /^(?:INVITE at 3000|answer at the caller): Diversion$/.test(place) &&
  (left === '' || right === '');

/**
 * Asterisk 22.10 wrote one row too many for a plain call, seen twice: the phone's own, with no other party, once with `b()` and the subroutine's last
 * step as its application, once with `m` and the one that Dial gives it (210 such calls under load, placed to see it again, had none). What either call
 * has of it is no difference.
 */
const withoutPhonesOwnRow = (place: string, text: string): string =>
  place === 'CDR rows'
    ? rowsOf(text)
        .filter((row) => !/^\|1001\|\|.*\|PJSIP\/1001\|\|(?:Return\||AppDial\|\(Outgoing Line\))\|ANSWERED$/.test(row))
        .join(' ## ')
    : text;

/** Places where two calls differ, with both texts, after what is explained. `lacksB`: nobody read option `b` of the second one. */
export function differences(plain: Seen, through: Seen, lacksB = false): string[] {
  const places = [...new Set([...Object.keys(plain), ...Object.keys(through)])];
  return places.flatMap((place) => {
    let [left, right] = [plain, through].map((seen) => withoutPhonesOwnRow(place, seen[place] ?? '')) as [
      string,
      string,
    ];
    for (const { mend } of EXPLAINED) {
      right = mend(place, right, left, lacksB);
      left = mend(place, left, left, lacksB);
    }
    return left === right || isByChance(place, left, right)
      ? []
      : [`${place}\n      plain:   ${left}\n      through: ${right}`];
  });
}
