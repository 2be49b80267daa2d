/** The files that a browser gets of the phone: the one list, for build, routes and tests. */

/** How a file comes to be: copied as it is, bundled of the module of its name, or collected of what was bundled. */
export type Made = 'copied' | 'bundled' | 'licences';

/** By name below `/phone/`. */
export const PHONE_FILES: Readonly<Record<string, { readonly type: string; readonly made: Made }>> = {
  'index.html': { type: 'text/html; charset=utf-8', made: 'copied' },
  'style.css': { type: 'text/css; charset=utf-8', made: 'copied' },
  'app.js': { type: 'text/javascript; charset=utf-8', made: 'bundled' },
  'sw.js': { type: 'text/javascript; charset=utf-8', made: 'bundled' },
  'manifest.webmanifest': { type: 'application/manifest+json', made: 'copied' },
  'icon.svg': { type: 'image/svg+xml', made: 'copied' },
  'icon-192.png': { type: 'image/png', made: 'copied' },
  'icon-512.png': { type: 'image/png', made: 'copied' },
  'licences.txt': { type: 'text/plain; charset=utf-8', made: 'licences' },
};
