/**
 * How the site looks and is searched. Nothing of it comes from another host: letters, search index and pictures are its own files. Read by
 * VitePress, from the folder that `build.ts` has written.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { headingOf } from './pages.ts';

/** A rule that makes HTML of one token: markdown-it's, which only the site's own packages bring. */
type Rule = (...of: readonly unknown[]) => string;

/** What `build.ts` hands over. */
export interface SiteBuild {
  /** The folder with the pages. */
  readonly pages: string;
  /** Where the site will lie: with a slash at both ends. */
  readonly base: string;
  readonly version: string;
  readonly outDir: string;
}

/** Headings of docs/index.md and what each leads to, so that a page is put into its place once. */
function byReader(pages: string) {
  const seen = new Set<string>();
  const sections = readFileSync(join(pages, 'index.md'), 'utf8').split(/^## /m).slice(1);
  return sections.map((section) => ({
    text: section.slice(0, section.indexOf('\n')),
    items: [...section.matchAll(/\]\(([\w/-]+\.md)\)/g)]
      .map((m) => m[1] as string)
      .filter((page) => !seen.has(page) && seen.add(page))
      .map((page) => ({ text: headingOf(join(pages, page)), link: `/${page}` })),
  }));
}

export const siteOf = ({ pages, base, version, outDir }: SiteBuild) => ({
  title: 'pushwake',
  description: 'Makes softphones on sleeping mobiles ring, beside your own Asterisk or FreeSWITCH',
  lang: 'en',
  base: `${base}${version}/`,
  outDir,
  // A web server needs no rule to find a page, and neither does a folder opened from a disk by one.
  cleanUrls: false,
  // Text in angle brackets is a Contact, never HTML.
  markdown: {
    html: false,
    languageAlias: { asterisk: 'ini' },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config: (md: { renderer: { rules: Record<string, Rule> } }) => {
      const { rules } = md.renderer;
      // Indented code as well gets a box that scrolls.
      rules.code_block = (...of) => rules.fence?.(...of) ?? '';
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    notFound: { linkLabel: 'Take me home' },
    outline: [2, 3],
    nav: [
      { text: 'Install', link: '/install' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
      { component: 'Versions', props: { version, to: `${base}versions.html` } },
    ],
    sidebar: byReader(pages),
    externalLinkIcon: true,
  },
});
