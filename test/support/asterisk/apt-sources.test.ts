import { describe, expect, it } from 'vitest';
import { chooseMirror, debianCodename, parseListFile, parseSourcesFile } from './apt-sources.ts';
import { mountsBelow } from './mounts.ts';

const DEB822 = `# comment
Types: deb
# what stood here before
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`;

const LIST = `# deb http://commented.example/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb [arch=amd64 signed-by=/k.gpg] https://packages.example/node nodistro main
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/debian/ bookworm main contrib # trailing
deb http://security.example/debian-security bookworm-security main
`;

describe('the mirror of this machine', () => {
  it('is found in deb822 files', () => {
    const sources = parseSourcesFile(DEB822);
    expect(sources.map(({ suite }) => suite)).toEqual(['bookworm', 'bookworm-updates', 'bookworm-security']);
    expect(chooseMirror(sources, 'bookworm')).toBe('http://mirror.example/debian');
  });

  it('is found in one-line files, past CD-ROMs, third parties and the security archive', () => {
    expect(chooseMirror(parseListFile(LIST), 'bookworm')).toBe('http://mirror.example/debian');
  });

  it('prefers the folder Debian itself uses when a third party carries the release, too', () => {
    const sources = parseListFile(
      'deb http://a.example/apt bookworm main\ndeb http://b.example/debian bookworm main\n',
    );
    expect(chooseMirror(sources, 'bookworm')).toBe('http://b.example/debian');
    expect(chooseMirror(sources.slice(0, 1), 'bookworm')).toBe('http://a.example/apt');
  });

  it('is none when only third parties are there', () => {
    expect(
      chooseMirror(parseListFile('deb https://packages.example/node nodistro main\n'), 'bookworm'),
    ).toBeUndefined();
  });
});

describe('debianCodename', () => {
  it('tells Debian from its relatives', () => {
    expect(debianCodename('PRETTY_NAME="Debian"\nID=debian\nVERSION_CODENAME=bookworm\n')).toBe('bookworm');
    expect(debianCodename('ID=debian\n')).toBe('sid');
    expect(debianCodename('ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n')).toBeUndefined();
  });
});

describe('mountsBelow', () => {
  it('lists the deepest first, not the neighbours, and reads escaped blanks', () => {
    const table =
      'a /r/x proc rw 0 0\nb /r/x/dev/pts devpts rw 0 0\nc /r/xy tmpfs rw 0 0\nd /r/x/a\\040b tmpfs rw 0 0\n';
    expect(mountsBelow('/r/x', table)).toEqual(['/r/x/dev/pts', '/r/x/a b', '/r/x']);
  });
});
