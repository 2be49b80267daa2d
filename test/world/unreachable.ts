/** What coverage leaves out, with the reason why no world can visit it. An entry that is visited all the same counts as visited. */
export const NEVER_VISITED: ReadonlyMap<string, string> = new Map([
  [
    'step cannot be dialled',
    'every phone of the world writes a Contact that can be dialled; what cannot is a table of core/contact-uri, and fuzzed',
  ],
]);
