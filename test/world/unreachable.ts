/** What coverage leaves out, with the reason why no world can visit it. An entry that is visited all the same counts as visited. */
export const NEVER_VISITED: ReadonlyMap<string, string> = new Map([]);
