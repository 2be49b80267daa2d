/** pushwake.yaml as `init` writes it: small, commented, in the words of config/pushwake.yaml. */

export interface YamlInput {
  readonly mode: 'observe' | 'full';
  readonly schema: string;
  readonly store: string;
  readonly realm: string;
  readonly pbx:
    | {
        readonly type: 'asterisk';
        readonly url: string;
        readonly password: string;
        readonly hep?: { listen: string; password: string } | undefined;
      }
    | { readonly type: 'freeswitch'; readonly port: number; readonly password: string };
  readonly apns?:
    | { readonly teamId: string; readonly bundleId: string; readonly keyId: string; readonly key: string }
    | undefined;
  readonly fcm?: { readonly projectId: string; readonly serviceAccount: string } | undefined;
}

export function yamlOf(o: YamlInput): string {
  return `# yaml-language-server: $schema=${o.schema}
# Written by \`pushwake init\`. What else may stand here: config/pushwake.yaml and docs/. Check it with \`pushwake check\`.

# observe: log what would be sent, rung and removed, and do nothing. full: do it. Observe first, for some days.
mode: ${o.mode}

store:
  type: sqlite
  path: ${q(o.store)}

pbx:
  office:
    type: ${o.pbx.type}
${
  o.pbx.type === 'asterisk'
    ? `    url: ${q(o.pbx.url)}
    username: pushwake
    # The same as in pushwake-ari.conf.
    password: ${q(o.pbx.password)}
`
    : `    port: ${o.pbx.port}
    # The same as in event_socket.conf.xml.
    password: ${q(o.pbx.password)}
`
}${o.realm === '*' ? '    # Every domain of this FreeSWITCH.' : `    # AOR 1001 of this PBX is the account 1001@${o.realm}.`}
    realm: ${q(o.realm)}
${
  o.pbx.type === 'asterisk' && o.pbx.hep
    ? `    # Where capture_address of hep.conf points, and its capture_password.
    hep: { listen: ${q(o.pbx.hep.listen)}, password: ${q(o.pbx.hep.password)} }
`
    : ''
}
${pushOf(o)}
# Health, metrics and what the command line asks a running pushwake, on 127.0.0.1:8470.
http:
  admin: {}
`;
}

const q = (text: string) => JSON.stringify(text);

/** The section `push`. */
export function pushOf({ apns, fcm }: Pick<YamlInput, 'apns' | 'fcm'>): string {
  if (!apns && !fcm) {
    return `# The keys are those of the app's publisher; docs/push-services.md says how to get them.
push: {}
#   apns: { apps: [{ teamId: TEAM123456, bundleId: com.example.phone, keyId: KEY1234567, key: /etc/pushwake/AuthKey_KEY1234567.p8 }] }
#   fcm: { apps: [{ projectId: example-phone, serviceAccount: /etc/pushwake/service-account.json }] }
`;
  }
  const lines = ['push:'];
  if (apns) {
    const { teamId, bundleId, keyId, key } = apns;
    lines.push(
      '  apns:',
      '    apps:',
      `      - teamId: ${q(teamId)}`,
      `        bundleId: ${q(bundleId)}`,
      `        keyId: ${q(keyId)}`,
      `        key: ${q(key)}`,
    );
  }
  if (fcm) {
    lines.push(
      '  fcm:',
      '    apps:',
      `      - projectId: ${q(fcm.projectId)}`,
      `        serviceAccount: ${q(fcm.serviceAccount)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
