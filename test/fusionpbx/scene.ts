/**
 * FusionPBX's own Lua scripts and dialplans on a real FreeSWITCH, with a PostgreSQL that holds the tables its apps describe: all of it but the
 * web interface, whose rows are written here. Two tenants have the same numbers.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dialplanOf } from '../../plugin/commands/init/fusionpbx.ts';
import { FreeswitchScene } from '../support/freeswitch-scene.ts';
import type { Checkout } from '../support/fusionpbx/checkout.ts';
import { Postgres } from '../support/fusionpbx/postgres.ts';
import { configOf, rows, SHIPPED, type Site, tables } from './database.ts';

export interface FusionScene {
  readonly scene: FreeswitchScene;
  /** Where its recordings and messages lie. */
  readonly folder: string;
  readonly close: () => Promise<void>;
}

/** `plain`: FusionPBX as it is installed, without us. */
export async function startFusion(checkout: Checkout, site: Site, plain = false): Promise<FusionScene> {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-fusionpbx-'));
  const postgres = await Postgres.start();
  try {
    postgres.sql(tables(checkout));
    postgres.sql(rows(checkout, site, plain));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    mkdirSync(join(folder, 'resources'));
    // Where there is no /etc/fusionpbx, its scripts ask this module for the place of their configuration.
    file(
      'resources/config.lua',
      `config_file = "${file('config.conf', configOf(checkout.scripts, folder, postgres.port))}"\n`,
    );
    process.env.SystemDrive ??= '/nowhere';
    const paths = [
      join(folder, '?.lua'),
      ...(plain ? [] : [join(SHIPPED, 'lua', '?.lua')]),
      join(checkout.scripts, '?.lua'),
    ];
    const scene = await FreeswitchScene.start({
      users: [],
      realm: '*',
      scripts: checkout.scripts,
      modules: ['mod_pgsql', 'mod_lua', 'mod_callcenter', 'mod_sndfile'],
      extensions: '',
      dialplan: file(
        'pushwake.xml',
        dialplanOf(readFileSync(join(SHIPPED, '../freeswitch/pushwake-dialplan.xml'), 'utf8')),
      ),
      // FusionPBX's profile has no domain of its own: each phone says its tenant's.
      profile: {
        'force-register-domain': '',
        'force-register-db-domain': '',
        'force-subscription-domain': '',
        context: 'public',
        'manage-presence': 'true',
        // Keys of a menu come by INFO.
        'liberal-dtmf': 'true',
      },
      configurations: `<configuration name="lua.conf"><settings>
${paths.map((path) => `<param name="script-directory" value="${path}"/>`).join('\n')}
<param name="xml-handler-script" value="app.lua xml_handler"/>
<param name="xml-handler-bindings" value="dialplan,directory"/>
</settings></configuration>
${site.configurations ?? '<configuration name="callcenter.conf"><settings/><queues/><agents/><tiers/></configuration>'}`,
    });
    // As in its vars.xml.
    for (const set of ['media_mix_inbound_outbound_codecs=true', `recordings_dir=${folder}`])
      await scene.freeswitch.cli(`global_setvar ${set}`);
    return {
      scene,
      folder,
      close: async () => {
        await scene.close();
        postgres.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    postgres.stop();
    throw error;
  }
}
