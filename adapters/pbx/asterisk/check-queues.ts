/**
 * Members of queues that are our legs and whose state the queue cannot know. A leg of ours has ended when the phone talks, so that a member
 * without a state of its own looks idle, and a queue with `ringinuse=no` rings it again. Asterisk lists no queues to a dialplan function:
 * the names are those that the dialplan's own lines call.
 */
import type { Finding } from '../../../plugin/ports/finding.ts';
import type { ProbeChannel } from './probe.ts';

/** How many queues are read at most, and how many members of each. */
const QUEUES_READ = 20;
const MEMBERS_READ = 50;
const NAMED = 5;

const OUR_LEG = /^Local\/([^@&]+)@pushwake(?:\/|$)/;

export async function checkQueues(channel: ProbeChannel, dialplan: readonly string[]): Promise<Finding[]> {
  const wrong = dialplan.flatMap((line) => addedBlind(line) ?? []);
  for (const queue of queuesOf(dialplan)) {
    for (let i = 0; i < MEMBERS_READ; i++) {
      const member = await channel.read(`AST_CONFIG(queues.conf,${queue},member,${i})`);
      if (member === undefined || member === '') break;
      const account = memberBlind(member);
      if (account !== undefined) wrong.push(account);
    }
  }
  const accounts = [...new Set(wrong)];
  const [first] = accounts;
  if (first === undefined) return [];
  const more = accounts.length > NAMED ? ` and ${accounts.length - NAMED} more` : '';
  return [
    {
      level: 'warn',
      what: 'queue members',
      found: `Local/…@pushwake without a hint as its state: the queue rings a phone that talks, or never one that sleeps (${accounts.slice(0, NAMED).join(', ')}${more})`,
      remedy: `write  member => Local/${first}@pushwake/n,0,${first},hint:${first}@internal  (internal: your context with the hints), and \`queue reload all\``,
    },
  ];
}

/** Names of queues that these lines of a dialplan call; names that are made of variables are left out. */
export function queuesOf(dialplan: readonly string[]): string[] {
  const names = dialplan.flatMap((line) => /\bQueue\(([^,()$[\]]+)[,)]/.exec(line)?.[1]?.trim() ?? []);
  return [...new Set(names)].slice(0, QUEUES_READ);
}

/** The account of a `member =>` line whose state the queue cannot know. */
export function memberBlind(line: string): string | undefined {
  const [face = '', , , state = ''] = line.split(',').map((field) => field.trim());
  return blind(face, state);
}

/** The same of a line with `AddQueueMember(queue,interface,penalty,options,name,state)`. */
export function addedBlind(line: string): string | undefined {
  const fields = /\bAddQueueMember\((.*)\)/
    .exec(line)?.[1]
    ?.split(',')
    .map((field) => field.trim());
  return fields && blind(fields[1] ?? '', fields[5] ?? '');
}

/** No state, our leg's own, or the device alone, which is unavailable while the phone sleeps. */
function blind(face: string, state: string): string | undefined {
  const account = OUR_LEG.exec(face)?.[1];
  if (account === undefined) return undefined;
  return state === '' || OUR_LEG.test(state) || /^PJSIP\//i.test(state) ? account : undefined;
}
