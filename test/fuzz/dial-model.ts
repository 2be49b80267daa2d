/**
 * How Asterisk and FreeSWITCH read a dial string, written down from their source and simpler than it: how many targets there are, and whether a
 * variable, an application's further argument or a line break gets in. Knows nothing of how we write one.
 */

/** Dial's argument as `AST_STANDARD_APP_ARGS` and `app_dial.c` split it: commas outside quotes and brackets, then `&`. */
export function asAsterisk(text: string): { readonly targets: number; readonly wrong: string | undefined } {
  if (/[\r\n\0]/.test(text)) return { targets: 0, wrong: 'a line break or NUL' };
  if (/\$[{[]/.test(text)) return { targets: 0, wrong: 'a variable or an expression' };
  let depth = 0;
  let quoted = false;
  let targets = 1;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (c === '(' || c === '[') depth++;
    else if (c === ')' || c === ']') depth--;
    else if (c === ',' && depth <= 0) return { targets, wrong: 'a further argument of Dial' };
    else if (c === '&') targets++;
  }
  if (quoted || depth !== 0) return { targets, wrong: 'quotes or brackets that are not closed' };
  return { targets, wrong: undefined };
}

/** `switch_ivr_originate`: `:_:` between whole strings, `|` one after the other, `,` at the same time, variables in front. */
export function asFreeSwitch(text: string): { readonly targets: number; readonly wrong: string | undefined } {
  if (/[\r\n\0]/.test(text)) return { targets: 0, wrong: 'a line break or NUL' };
  if (/\$\$?\{/.test(text)) return { targets: 0, wrong: 'a variable' };
  if (/['"\\]/.test(text)) return { targets: 0, wrong: 'a quote, which hides separators' };
  if (/^\s*[{<[]|\^\^/.test(text)) return { targets: 0, wrong: 'variables of its own' };
  if (/\s/.test(text)) return { targets: 0, wrong: 'a space, which ends the argument of an API command' };
  return { targets: text.split(/:_:|[,|]/).length, wrong: undefined };
}
