/** The files of an Asterisk: the shipped snippets with passwords of their own, and the lines that include them. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PACKAGE_ROOT } from '../../manifest.ts';
import { aclLines } from './ari-acl.ts';
import { type Extensions, isFreePbx, planHints } from './freepbx.ts';
import { type Plan, type PlannedFile, settingOf, textOf, whole, withLine, withSetting } from './plan.ts';
import { planWebrtc } from './webrtc.ts';

export interface AsteriskInput {
  /** `/etc/asterisk`. */
  readonly folder: string;
  readonly password: string;
  readonly hep: { readonly password: string; readonly listen: string } | undefined;
  /** FreePBX only. */
  readonly extensions: Extensions;
  /** What `asterisk -V` says, as `22.10.1`; undefined: there is no such program in the PATH. */
  readonly version: string | undefined;
  /** What a phone in the browser needs as well. */
  readonly webrtc: boolean;
}

const IS_ON = /^(yes|true|1|on|y|t)$/i;
const shipped = (name: string) => readFileSync(join(PACKAGE_ROOT, 'config', 'asterisk', name), 'utf8');

export const looksLikeAsterisk = (folder: string): boolean =>
  ['asterisk.conf', 'extensions.conf', 'ari.conf', 'pjsip.conf'].some((name) => existsSync(join(folder, name)));

/** Where ARI answers, as http.conf says. */
export function ariUrl(folder: string): string {
  const http = textOf(join(folder, 'http.conf'));
  const address = settingOf(http, 'general', 'bindaddr') ?? '127.0.0.1';
  const host = address === '0.0.0.0' || address === '::' || address === '[::]' ? '127.0.0.1' : address;
  // Asterisk takes an IPv6 address without the brackets that a URL has around it.
  return `http://${/^[^[].*:/.test(host) ? `[${host}]` : host}:${settingOf(http, 'general', 'bindport') ?? '8088'}`;
}

/** Where pushwake takes copies of REGISTERs. */
export const HEP_LISTEN = '127.0.0.1:9060';

/** The passwords of snippets that lie there already: a second run must not change them. */
export function knownPasswords(folder: string): { ari?: string; hep?: string } {
  const ari = settingOf(textOf(join(folder, 'pushwake-ari.conf')), 'pushwake', 'password');
  // The one of a file that is switched off, or sends elsewhere, is not ours: Asterisk's own example has "foo".
  const file = textOf(join(folder, 'hep.conf'));
  const isOurs =
    IS_ON.test(settingOf(file, 'general', 'enabled') ?? 'yes') &&
    settingOf(file, 'general', 'capture_address') === HEP_LISTEN;
  const hep = isOurs ? settingOf(file, 'general', 'capture_password') : undefined;
  const usable = (p: string | undefined) => p !== undefined && p !== '' && p !== 'CHANGE-ME';
  return { ...(usable(ari) ? { ari: ari as string } : {}), ...(usable(hep) ? { hep: hep as string } : {}) };
}

export function planAsterisk({ folder, password, hep, extensions, version, webrtc }: AsteriskInput): Plan {
  const at = (name: string) => join(folder, name);
  const free = isFreePbx(folder);
  const notes: string[] = [];
  const files: PlannedFile[] = [
    whole(at('pushwake-ari.conf'), ariConf(folder, password, version), 0o640, at('ari.conf')),
    whole(at('pushwake-extensions.conf'), shipped('pushwake-extensions.conf'), 0o644, at('extensions.conf')),
    withLine(at(free ? 'extensions_custom.conf' : 'extensions.conf'), '#include "pushwake-extensions.conf"'),
  ];
  if (free) {
    files.push(withLine(at('ari_additional_custom.conf'), '#include "pushwake-ari.conf"'));
    const hints = planHints(folder, extensions);
    files.push(...hints.files);
    notes.push(
      'FreePBX: switch on "Enable the Asterisk REST Interface" and the mini HTTP server in Advanced Settings.',
    );
    // Asterisk takes the password of one of the two, and not ours.
    notes.push(
      settingOf(textOf(at('ari_additional.conf')), 'pushwake', 'password') === undefined
        ? 'FreePBX: add no user `pushwake` under "Asterisk REST Interface Users": ari_additional_custom.conf has it.'
        : 'FreePBX: remove the user `pushwake` under "Asterisk REST Interface Users": ari_additional_custom.conf has it, and with both the login fails (401).',
      ...hints.notes,
    );
  } else {
    const included = withLine(at('ari.conf'), '#include "pushwake-ari.conf"', '[general]\nenabled = yes\n');
    files.push({ ...included, after: enabled(included.after) });
    files.push(httpConf(at('http.conf')));
  }
  if (hep) files.push(...planHep(at('hep.conf'), hep, notes));
  if (settingOf(textOf(at('pjsip.conf')), 'global', 'taskprocessor_overload_trigger') !== 'pjsip_only') {
    notes.push(
      'pjsip.conf: set taskprocessor_overload_trigger=pjsip_only in [global] (docs/getting-started-asterisk.md says why).',
    );
  }
  const browsers = webrtc ? planWebrtc(folder, free) : undefined;
  files.push(...(browsers?.files ?? []));
  notes.push(
    free
      ? 'Calls pass through pushwake where "Dial" of an extension (Advanced) is Local/1001@pushwake/n in place of PJSIP/1001; its lamp is right with `init --extensions 1001`, or with "Hint Override" = PJSIP/1001&Stasis:pushwake-1001.'
      : 'Calls pass through pushwake where you write Local/1001@pushwake/n in place of PJSIP/1001, and nowhere else.',
    ...(browsers?.notes ?? []),
  );
  return {
    files,
    notes,
    reload: [
      'asterisk -rx "module reload http"',
      'asterisk -rx "module reload res_ari.so"',
      free ? 'fwconsole reload' : 'asterisk -rx "dialplan reload"',
      ...(hep ? ['asterisk -rx "module load res_hep.so"', 'asterisk -rx "module load res_hep_pjsip.so"'] : []),
      ...(browsers?.reload ?? []),
    ],
  };
}

function ariConf(folder: string, password: string, version: string | undefined): string {
  const text = shipped('pushwake-ari.conf').replace('CHANGE-ME', password);
  const acl = aclLines(textOf(join(folder, 'pushwake-ari.conf')), version, new URL(ariUrl(folder)).hostname);
  return acl.length === 0 ? text : `${text}; who may use it: a pushwake on this machine\n${acl.join('\n')}\n`;
}

const enabled = (text: string): string =>
  IS_ON.test(settingOf(text, 'general', 'enabled') ?? 'yes') ? text : withSetting(text, 'general', 'enabled', 'yes');

function httpConf(path: string): PlannedFile {
  const before = textOf(path);
  let after = before ?? '';
  // Its default is off, and an address that is there is the administrator's choice.
  if (!IS_ON.test(settingOf(after, 'general', 'enabled') ?? ''))
    after = withSetting(after, 'general', 'enabled', 'yes');
  if (settingOf(after, 'general', 'bindaddr') === undefined) {
    after = withSetting(after, 'general', 'bindaddr', '127.0.0.1');
  }
  return { path, before, after, mode: 0o644 };
}

/** One that sends to somebody else already is left alone: Homer must not go blind. */
function planHep(path: string, hep: NonNullable<AsteriskInput['hep']>, notes: string[]): PlannedFile[] {
  const text = shipped('pushwake-hep.conf')
    .replace('CHANGE-ME', hep.password)
    .replace(/^capture_address = .*$/m, `capture_address = ${hep.listen}`);
  const before = textOf(path);
  const isOn = IS_ON.test(settingOf(before, 'general', 'enabled') ?? 'yes');
  const address = isOn ? settingOf(before, 'general', 'capture_address') : undefined;
  if (address !== undefined && address !== hep.listen) {
    notes.push(
      `hep.conf sends to ${address} already and is left as it is: point it to ${hep.listen} and set hep.forward to ${address}.`,
    );
    return [];
  }
  // Ours already, perhaps with a comment more: the password is what counts.
  if (address === hep.listen && settingOf(before, 'general', 'capture_password') === hep.password) return [];
  return [whole(path, text, 0o640, join(dirname(path), 'ari.conf'))];
}
