/**
 * A checkout of FusionPBX (its public repository), named by `PUSHWAKE_FUSIONPBX`: its Lua scripts, the dialplans it is installed with, and
 * the tables its apps describe. Nothing of it is in this repository.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Table {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

export interface ShippedDialplan {
  readonly file: string;
  readonly order: number;
  readonly context: string;
  readonly enabled: boolean;
  readonly xml: string;
}

export class Checkout {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  static find(root = process.env.PUSHWAKE_FUSIONPBX): Checkout | undefined {
    return root !== undefined && existsSync(join(root, SCRIPTS, 'app.lua')) ? new Checkout(root) : undefined;
  }

  get scripts(): string {
    return join(this.#root, SCRIPTS);
  }

  /** What its installer copies to /etc/freeswitch. */
  get configuration(): string {
    return join(this.#root, 'app/switch/resources/conf');
  }

  get dialplans(): readonly ShippedDialplan[] {
    const folder = join(this.#root, 'app/dialplans/resources/switch/conf/dialplan');
    return readdirSync(folder)
      .filter((file) => file.endsWith('.xml'))
      .map((file) => shipped(file, readFileSync(join(folder, file), 'utf8')));
  }

  /** Of all apps. */
  get tables(): readonly Table[] {
    const files = ['app', 'core'].flatMap((part) =>
      readdirSync(join(this.#root, part)).map((name) => join(this.#root, part, name, 'app_config.php')),
    );
    return files.filter(existsSync).flatMap((file) => tablesOf(readFileSync(file, 'utf8')));
  }
}

const SCRIPTS = 'app/switch/resources/scripts';

/** Elements that it has switched off: FusionPBX leaves them out when it writes the XML into its database. */
const OFF = /<(action|anti-action|condition)\b[^>]*\benabled="false"[^>]*\/>/g;

function shipped(file: string, text: string): ShippedDialplan {
  const head = /<extension\b[^>]*>/.exec(text)?.[0] ?? '';
  const attribute = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(head)?.[1];
  return {
    file,
    order: Number(attribute('order')),
    context: attribute('context') ?? '',
    enabled: attribute('enabled') !== 'false',
    xml: text.replace(OFF, ''),
  };
}

/** `$apps[$x]['db'][…]['table']['name'] = "v_…";`, then a name and a type for each column. */
function tablesOf(php: string): Table[] {
  const tables: { name: string; columns: { name: string; type: string }[] }[] = [];
  for (const [, what, quoted = ''] of php.matchAll(
    /^\s*\$apps\[\$x\]\['db'\]\[[^\]]+\]((?:\[[^\]]+\])+)\s*=\s*["']([^"']*)["'];/gm,
  )) {
    if (what === "['table']['name']") tables.push({ name: quoted, columns: [] });
    if (/^\['fields'\]\[[^\]]+\]\['name'\](?:\['text'\])?$/.test(what ?? ''))
      tables.at(-1)?.columns.push({ name: quoted, type: 'text' });
    const column = tables.at(-1)?.columns.at(-1);
    if (column && /^\['fields'\]\[[^\]]+\]\['type'\](?:\['pgsql'\])?$/.test(what ?? '')) column.type = quoted;
  }
  // A few columns are described twice.
  return tables.map(({ name, columns }) => ({ name, columns: [...new Map(columns.map((c) => [c.name, c])).values()] }));
}
