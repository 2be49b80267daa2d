/** The reason of a hang-up, in the words of Asterisk versions that take no Q.850 code. Pure. */

/** ARI's words (16 to 18). What is not here has none: `normal`, cause 16. */
const REASONS: Readonly<Record<number, string>> = {
  1: 'unallocated',
  17: 'busy',
  18: 'timeout',
  19: 'no_answer',
  20: 'no_answer',
  21: 'rejected',
  26: 'answered_elsewhere',
  28: 'number_incomplete',
  31: 'normal_unspecified',
  34: 'congestion',
  38: 'failure',
  42: 'congestion',
  44: 'congestion',
  127: 'interworking',
};

/** `cause`: Q.850. */
export function reasonOf(cause: number): string {
  return REASONS[cause] ?? 'normal';
}

type Json = Record<string, unknown>;
const list = (v: unknown): Json[] => (Array.isArray(v) ? (v as Json[]) : []);

/** Names of the parameters that a request takes, from ARI's own description (Swagger 1.1). */
export function parametersOf(description: unknown, path: string, method: string): readonly string[] {
  const apis = list((description as Json | null)?.apis).filter((api) => api.path === path);
  const operations = apis.flatMap((api) => list(api.operations)).filter((o) => o.httpMethod === method);
  return operations.flatMap((o) => list(o.parameters)).map((p) => String(p.name));
}
