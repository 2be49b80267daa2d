/** Debian's softphones, each on an account of its own, all measured at once on one PBX. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Aor } from '../../../../plugin/core/aor.ts';
import { type AppReport, isWhole, markdownOf, RULES, readReport } from '../../../../plugin/core/app-test/index.ts';
import { accountKey } from '../../../../plugin/http/account-key.ts';
import { passwordOf } from '../../../support/asterisk/config.ts';
import { type FcmStandIn, startFcmStandIn } from '../../../support/fcm-stand-in/index.ts';
import { withFcm } from '../../../support/linphone.ts';
import { type PbxScene, REALM } from '../../../support/pbx-scene.ts';
import { freeUdpPort } from '../../../support/scene.ts';
import { Admin, adminYaml } from '../admin.ts';
import { keepReport } from '../measure.ts';
import { Baresip, type DeviceApi } from './baresip.ts';
import { KeptPhone, STEPS_OF_PROGRAMS } from './kept-phone.ts';
import { Liblinphone } from './liblinphone.ts';
import { Linphonec } from './linphonec.ts';
import { choosePrograms, type ProgramName } from './needs.ts';
import type { Account, Softphone } from './program.ts';

const SECRET = 'app-test-account-secret-0123456789abcdef';
/** An app that shows a call, and is answered, obeys these; else the harness did not reach it. */
const MUST_BE_OK = ['A1', 'A4', 'A7'];

type Make = (account: Account, api: (aor: Aor) => DeviceApi) => Promise<Softphone>;

/** Account → file of its report, and the program. */
const PROGRAMS: readonly (readonly [user: string, file: ProgramName, make: Make])[] = [
  ['1001', 'linphonec-5.1', async (account) => new Linphonec(account)],
  ['1002', 'liblinphone-5.1-with-push', async (account) => new Liblinphone(account, true)],
  ['1003', 'liblinphone-5.1-without-push', async (account) => new Liblinphone(account, false)],
  [
    '1004',
    'baresip-1.0',
    async (account, api) =>
      new Baresip(account, { api: api(`1004@${REALM}` as Aor), controlPort: await freeUdpPort() }),
  ],
];

const { names } = choosePrograms(process.env.APP_TEST_ONLY);
/** Those that are installed; `APP_TEST_ONLY=baresip-1.0` measures only that one. */
export const CHOSEN = PROGRAMS.filter(([, file]) => names.includes(file));

export class Programs {
  readonly #scene: PbxScene;
  readonly #fcm: FcmStandIn;
  readonly #admin: Admin;
  readonly #phones: KeptPhone[] = [];
  readonly #sipPort: number;
  readonly #devicesPort: number;

  private constructor(scene: PbxScene, parts: { fcm: FcmStandIn; admin: Admin; sipPort: number; devicesPort: number }) {
    this.#scene = scene;
    this.#fcm = parts.fcm;
    this.#admin = parts.admin;
    this.#sipPort = parts.sipPort;
    this.#devicesPort = parts.devicesPort;
  }

  /** Starts the pushwake of a scene. `yaml`: the scene's, with this at its end. `sipPort`: TCP of the PBX. */
  static async open(scene: PbxScene, yaml: (more: string) => string, sipPort: number): Promise<Programs> {
    const [fcm, adminPort, devicesPort] = await Promise.all([startFcmStandIn(), freeUdpPort(), freeUdpPort()]);
    const more = adminYaml(adminPort, { port: devicesPort, secret: SECRET });
    scene.pushwake.configure(withFcm(yaml(more), fcm));
    await scene.startPushwake();
    return new Programs(scene, { fcm, admin: new Admin(adminPort), sipPort, devicesPort });
  }

  async close(): Promise<void> {
    for (const phone of this.#phones) await phone.close();
    await this.#fcm.close();
  }

  /** Resolves when the account has a binding that can be woken. */
  async #install(user: string, make: Make): Promise<KeptPhone> {
    const home = join(this.#scene.folder, `program-${user}`);
    mkdirSync(home);
    const account = { user, password: passwordOf({ id: user }), realm: REALM, port: this.#sipPort, home };
    const url = `http://127.0.0.1:${this.#devicesPort}`;
    const app = await make(account, (aor) => ({ url, key: accountKey(SECRET, aor) }));
    const phone = new KeptPhone(app, this.#fcm);
    this.#phones.push(phone);
    await phone.open();
    const aor = `${user}@${REALM}`;
    await this.#scene.stored
      .waitFor(aor, 'bound', (r) => r.bindings.some((b) => b.targets.call !== undefined), 30_000)
      .catch((error: Error) => {
        const logged = this.#scene.pushwake.log.filter((l) => l.aor === aor).map((l) => JSON.stringify(l));
        throw new Error([`${app.name}: ${error.message}`, ...app.printed.slice(-20), ...logged.slice(-5)].join('\n'));
      });
    return phone;
  }

  /** Measures the chosen programs at once; `pbx`: the end of the names of their files. */
  async measure(pbx: string, isReady: (aor: string) => Promise<void>): Promise<readonly AppReport[]> {
    if (CHOSEN.length === 0) throw new Error('no program to measure is installed: see npm run test:app');
    return Promise.all(
      CHOSEN.map(async ([user, file, make]) => {
        const phone = await this.#install(user, make);
        const aor = `${user}@${REALM}`;
        await isReady(aor);
        const says = phone.says.bind(phone);
        const report = await this.#admin.measure({ aor, appName: phone.app.name, steps: STEPS_OF_PROGRAMS, says });
        await phone.close();
        keepReport(report, `${file}-${pbx}`);
        return report;
      }),
    );
  }
}

/** That it is whole, has a verdict for each rule, and shows nothing of whose phone it was. */
export function checkReport(report: AppReport): void {
  const { name } = report.app;
  expect(report.stopped, name).toBeUndefined();
  expect(readReport(JSON.parse(JSON.stringify(report))), name).toEqual(report);
  expect(isWhole(report), name).toBe(true);
  expect(report.verdicts.map((v) => v.rule).sort(), name).toEqual(RULES.map((r) => r.id).sort());
  const text = `${JSON.stringify({ ...report, signature: '' })}${markdownOf({ ...report, signature: '' })}`;
  expect(text, name).not.toMatch(/APA91b|100[1-4]|example\.com|\/tmp\//);
  const said = report.verdicts.map((v) => `${name}: ${v.rule} ${v.verdict}, ${v.seen}`);
  expect(
    said.filter((line) => MUST_BE_OK.some((rule) => line.includes(`: ${rule} `) && !line.includes(' ok, '))),
  ).toEqual([]);
}
