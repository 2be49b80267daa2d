/** `docs/cli.md`: every command's own help, so that the page cannot say anything else. `node test/admin/cli-page.ts` writes it. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { buildProgram } from '../../plugin/commands/program.ts';

export const CLI_PAGE = fileURLToPath(new URL('../../docs/cli.md', import.meta.url));

const HEAD = `# The command line

Generated from \`pushwake <command> --help\`; a test compares. From the sources the command is \`npm run pushwake --\`.

| exit code | means |
|---|---|
| 0 | done; with \`check\`: nothing failed |
| 1 | failed: a check failed, a service did not take the push, the store is in use |
| 2 | a mistake in the configuration or in the arguments; nothing was changed |
| 3 | the running pushwake cannot be asked (\`http.admin\`, its token, or it does not run) |
| 4 | \`start\` only: the process was drained and is to stay down |

\`--json\` prints for programs; what it prints is one object, or one per line where that is said. Colours and progress bars show on a
terminal only, \`NO_COLOR\` is respected. Tokens show as fingerprints, but for \`bindings export\`.

**What SIGHUP changes.** \`mode\`, \`policy\`, \`policies\`, \`locale\`, \`locales\`, \`calls\`, \`forgetAfter\`, \`log\`, \`push\`, \`pbx\`, \`events\` and
\`http.admin.tokens\` are applied at once. Only what differs is made anew: a PBX link that changes
finds its waiting calls again, as after a lost connection; a new call of that moment takes the plain path. A policy counts from each
binding's next change on. \`store\`, \`http.devices\` and the address or TLS of \`http.admin\` wait for the next start, and the log names them
(\`configuration: these keys wait for the next start\`). A file with a mistake changes nothing: each mistake is a line of the log with
file, line and column.
`;

export function cliPage(): string {
  return `${[HEAD, ...commandsOf(buildProgram(), '').map(section)].join('\n')}`;
}

function commandsOf(command: Command, above: string): { name: string; command: Command }[] {
  return command.commands
    .filter((c) => c.name() !== 'help')
    .flatMap((c) => {
      const name = `${above}${c.name()}`;
      return [{ name, command: c }, ...commandsOf(c, `${name} `)];
    });
}

function section({ name, command }: { name: string; command: Command }): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 110,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return `## ${name}\n\n\`\`\`text\n${text.trim()}\n\`\`\`\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CLI_PAGE, cliPage());
