/** The generated part of docs/app-rules.md. */
import { RULES, RULES_VERSION } from '../../plugin/core/app-test/index.ts';

const list = (of: readonly string[] | 'all') => (of === 'all' ? 'all' : of.join(', '));

export function rulesPage(): string {
  const rules = RULES.map((rule) =>
    [
      `## ${rule.id}: ${rule.title}`,
      '',
      `${rule.reason}`,
      '',
      '| | |',
      '|---|---|',
      `| applies to | platforms: ${list(rule.platforms)}; kinds of app: ${list(rule.kinds)} |`,
      `| comes from | ${rule.source} |`,
      `| observed by | ${rule.observed} |`,
      `| when it is broken | ${rule.suffers} |`,
      '',
    ].join('\n'),
  );
  return `# Rules for apps, version ${RULES_VERSION}

What an app must do so that calls reach its user behind a PBX that wakes it by push. \`pushwake app-test <account>\` judges an app by them and
names them by number; a number is never given twice. How the pushes look is in [app-payloads.md](app-payloads.md); reports of apps are in
[apps/](apps/README.md). This page is made from the table in \`plugin/core/app-test\` (\`UPDATE_DOCS=1 npm test -- app-test/pages\`).

A verdict is one of four: \`ok\`; \`broken\`; \`not seen\`, where the test could not show it (nobody looked, the phone did not come that far, the push service
refused the push); \`not for this app\`. Kinds of app: \`own\` reads pushwake’s payload, \`linphone\` is built on Linphone’s library, \`acrobits\` is pushed through
Acrobits, \`web\` is a browser or a UnifiedPush app. Platforms: \`ios\`, \`android\`, \`web\`, \`other\`.

${rules.join('\n')}`;
}
