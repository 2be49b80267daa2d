/** What only the running pushwake knows: its links, its alarms, the brake. */
import type { Health } from '../../http/health.ts';
import { readManifest } from '../../manifest.ts';
import type { Finding } from '../../ports/finding.ts';
import { type AdminAnswer, refusal } from '../admin-client.ts';
import { whatIsWrong } from '../status.ts';

export function* checkRunning(answer: AdminAnswer, noAdmin: string | undefined): Iterable<Finding> {
  const what = 'running pushwake';
  if (noAdmin !== undefined) {
    const remedy = 'add `http: { admin: {} }`: it then answers on 127.0.0.1:8470, to this machine only';
    yield { level: 'warn', what, found: noAdmin, remedy };
    return;
  }
  if ('unreachable' in answer) {
    yield { level: 'ok', what, found: `${answer.unreachable}: checked as one that is stopped` };
    return;
  }
  if (answer.status !== 200) {
    const remedy =
      'is it pushwake that listens there? Its token must be one of http.admin.tokens; `kill -HUP` after a change';
    yield { level: 'warn', what, found: refusal(answer), remedy };
    return;
  }
  const health = answer.body as Health;
  const { version } = readManifest();
  if (health.version !== undefined && health.version !== version) {
    const found = `it is version ${health.version}, and this is ${version}`;
    yield { level: 'warn', what, found, remedy: 'restart it, so that it runs what is installed' };
  }
  for (const { aor, pbx, reason, remedy } of health.notBound ?? []) {
    yield {
      level: 'warn',
      what: `contact of ${aor} on ${pbx}`,
      found: `asks for push and is not bound: ${reason}`,
      remedy,
    };
  }
  const wrong = whatIsWrong(health);
  const remedy = '`pushwake status` shows what it is doing, its log shows since when';
  for (const found of wrong) yield { level: 'fail', what, found, remedy };
  if (wrong.length === 0) yield { level: 'ok', what, found: 'answers, its links are up, nothing is wrong' };
}
