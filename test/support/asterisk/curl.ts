/** A `curl` for what Asterisk runs in its chroot, which has none: the machine's own with its libraries, or a few lines of Perl that do as much of it. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { tryRun } from './shell.ts';

const OF_THE_MACHINE = '/usr/bin/curl';

/** Perl is in every Debian. One POST with its headers and its body, nothing else. */
const IN_PERL = `#!/usr/bin/perl
use strict; use IO::Socket::INET;
my ($url, $body, @headers) = ('', '');
while (@ARGV) {
  my $a = shift;
  if ($a eq '-H') { push @headers, shift } elsif ($a eq '-d') { $body = shift } elsif ($a =~ /^-[om]$/) { shift } elsif ($a !~ /^-/) { $url = $a }
}
my ($host, $port, $path) = $url =~ m{^http://([^:/]+):(\\d+)(/.*)$} or exit 3;
my $s = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 5) or exit 7;
print $s join("\\r\\n", "POST $path HTTP/1.1", "Host: $host:$port", @headers, 'Content-Length: ' . length($body), 'Connection: close', '', $body);
1 while <$s>;
`;

/** `folder`: of an instance, as seen from outside. Resolves with the folder that holds `curl`, as seen from inside. */
export async function curlInside(folder: string): Promise<string> {
  const home = join(folder, 'curl');
  const inside = home.slice(home.indexOf('/srv/pushwake/'));
  mkdirSync(home, { recursive: true });
  const program = join(home, 'curl');
  if (existsSync(OF_THE_MACHINE)) {
    const { output } = await tryRun('ldd', [OF_THE_MACHINE]);
    const libraries = [...output.matchAll(/(\/\S+)/g)].map((m) => m[1] as string);
    copyFileSync(OF_THE_MACHINE, join(home, 'curl.bin'));
    for (const file of libraries) copyFileSync(file, join(home, basename(file)));
    const loader = basename(libraries.find((l) => l.includes('/ld-')) ?? '');
    writeFileSync(program, `#!/bin/sh\nexec ${inside}/${loader} --library-path ${inside} ${inside}/curl.bin "$@"\n`);
  } else writeFileSync(program, IN_PERL);
  chmodSync(program, 0o755);
  return inside;
}
