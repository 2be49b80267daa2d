/**
 * The style sheet, and its address: named by what it holds, so that a browser keeps one for ever and asks for another after an
 * upgrade. No page holds a style of its own; the policy of `routes.ts` would not let it.
 */
import { createHash } from 'node:crypto';

export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d2125; --soft: #565d64; --line: #dcdad5; --mark: #0b5563;
  --good: #1c6a3d; --warn: #855300; --bad: #a52a1e; --good-bg: #e7f2ea; --warn-bg: #fbf0da; --bad-bg: #fbe9e6; --idle-bg: #eeedea;
  --bar: #2f7f8c; --bar-soft: #b5d3d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1b1f23; --ink: #e7e5e0; --soft: #a9afb4; --line: #343a40; --mark: #7cc7d2;
    --good: #86cf9f; --warn: #e6b667; --bad: #f29d90; --good-bg: #1a2d21; --warn-bg: #322813; --bad-bg: #3a1f1b; --idle-bg: #262b30;
    --bar: #59a9b6; --bar-soft: #2d4c52;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 0 1.25rem 3rem; max-width: 66rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 Inter, "Segoe UI", Roboto, "Helvetica Neue", system-ui, sans-serif; font-variant-numeric: tabular-nums;
  overflow-wrap: break-word;
}
code, .long, h1, h2, h3, dd, li, p { overflow-wrap: anywhere; }
a { color: var(--mark); text-underline-offset: .18em; text-decoration-thickness: .06em; }
a:hover { text-decoration-thickness: .14em; }
:focus-visible { outline: .18rem solid var(--mark); outline-offset: .18rem; border-radius: .15rem; }
main:focus { outline: none; }
.skip { position: absolute; left: -100vw; top: .5rem; background: var(--card); padding: .4rem .8rem; z-index: 1; }
.skip:focus { left: 1rem; }
header {
  display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 2rem; padding: 1.4rem 0 .9rem;
  border-bottom: 1px solid var(--line); margin-bottom: 2.2rem;
}
.mark { font-weight: 700; font-size: 1.1rem; letter-spacing: -.02em; color: var(--ink); text-decoration: none; }
.mark::before { content: ""; display: inline-block; width: .62rem; height: .62rem; border-radius: 50%; background: var(--mark); margin-right: .5rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; margin: 0; padding: 0; }
nav a { display: inline-block; padding: .3rem 0; color: var(--soft); text-decoration: none; border-bottom: 2px solid transparent; }
nav a:hover { color: var(--ink); border-color: var(--line); }
nav a[aria-current] { color: var(--ink); border-color: var(--mark); font-weight: 600; }
h1 { font-size: clamp(1.6rem, 1.1rem + 2.4vw, 2.4rem); line-height: 1.15; letter-spacing: -.025em; font-weight: 650; margin: 0 0 .6rem; }
h2 { font-size: 1.2rem; line-height: 1.3; letter-spacing: -.01em; font-weight: 650; margin: 2.6rem 0 .7rem; }
h3 { font-size: 1rem; font-weight: 650; margin: 1.6rem 0 .4rem; }
p { margin: 0 0 .8rem; max-width: 44rem; }
.lead { font-size: 1.08rem; color: var(--soft); }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
code, pre { font-family: "JetBrains Mono", ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .86em; }
.command { margin: .5rem 0 0; padding: .5rem .8rem; background: var(--idle-bg); border-radius: .35rem; white-space: pre-wrap; width: fit-content; max-width: 100%; }
.command code::before { content: "$ "; color: var(--soft); }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .875rem; }
footer p { margin: 0 0 .2rem; max-width: none; }

.problems { list-style: none; margin: 1.6rem 0 0; padding: 0; display: grid; gap: .9rem; }
.problems li { background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--bad); border-radius: .4rem; padding: 1rem 1.2rem; }
.problems li.warn { border-left-color: var(--warn); }
.problems h2 { margin: 0 0 .3rem; font-size: 1.05rem; display: flex; flex-wrap: wrap; gap: .3rem .7rem; align-items: baseline; }
.problems p { margin: 0 0 .35rem; }
.problems p:last-child { margin: 0; }
.badge { display: inline-block; padding: .06rem .55rem; border-radius: 1rem; font-size: .82rem; font-weight: 600; line-height: 1.5; background: var(--idle-bg); color: var(--soft); }
.badge.good { background: var(--good-bg); color: var(--good); }
.badge.warn { background: var(--warn-bg); color: var(--warn); }
.badge.bad { background: var(--bad-bg); color: var(--bad); }
.note { background: var(--idle-bg); border-radius: .4rem; padding: .7rem 1rem; max-width: none; }

.figures-row { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1rem 2rem; margin: 2.2rem 0 0; padding: 1.2rem 0; border: solid var(--line); border-width: 1px 0; }
.figures-row div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.figures-row dt { color: var(--soft); font-size: .875rem; line-height: 1.35; }
.figures-row dd { margin: 0; font-size: 1.55rem; line-height: 1.25; letter-spacing: -.02em; font-weight: 600; }

table { border-collapse: collapse; width: 100%; margin: .6rem 0 1rem; font-size: .95rem; }
caption { text-align: left; color: var(--soft); font-size: .875rem; padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem 1.2rem .5rem 0; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { color: var(--soft); font-size: .82rem; font-weight: 600; white-space: nowrap; padding-bottom: .35rem; }
tbody th { font-weight: 600; }
.pairs tbody th { font-weight: 400; }
td.figures, th.figures { text-align: right; }
td:last-child, th:last-child { padding-right: 0; }

.search { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin: 1.4rem 0 1.8rem; }
.search label { display: block; font-size: .875rem; color: var(--soft); flex: 1 1 16rem; max-width: 28rem; }
input, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--soft); border-radius: .35rem; padding: .45rem .7rem; }
input { display: block; width: 100%; margin-top: .2rem; color: var(--ink); font-size: 1rem; }
button { cursor: pointer; font-weight: 600; }
.pages { display: flex; gap: 1.5rem; margin: 1rem 0; padding: 0; list-style: none; }

svg { display: block; overflow: visible; }
svg text { fill: var(--soft); font-size: 13px; }
svg text.value { fill: var(--ink); font-weight: 600; }
.bar { fill: var(--bar); }
.base { stroke: var(--line); stroke-width: 1; }
.week { margin: 1.2rem 0 1.4rem; }
.beside { display: grid; gap: 0 4rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); align-items: start; }
.beside h2 { margin-top: 1.6rem; }

.device { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1.1rem 1.3rem 1.2rem; margin: 0 0 1.2rem; }
.device h3 { margin: 0 0 .5rem; display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: baseline; font-size: 1.08rem; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.4rem; margin: 0 0 1rem; font-size: .95rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; }
.life { margin: 1.1rem 0 .9rem; }
.track { fill: var(--bar-soft); }
.passed { fill: var(--bar); }
.sent { fill: var(--ink); }
.notice { fill: var(--warn); }
.planned { fill: var(--card); stroke: var(--warn); stroke-width: 2; }
.now { stroke: var(--ink); stroke-width: 2; }
.story { list-style: none; margin: 0; padding: 0; font-size: .95rem; }
.story li { display: grid; grid-template-columns: 9.5rem 1fr; gap: .2rem 1rem; padding: .22rem 0; }
.story .to-come { color: var(--soft); }
.story .today { font-weight: 600; }
.came { fill: var(--bar); }
.missed { fill: none; stroke: var(--bad); stroke-width: 2; }
.dots { display: inline-block; vertical-align: -.15em; margin-right: .5rem; }

.call { border-top: 1px solid var(--line); padding: 1rem 0 .6rem; }
.call h3 { margin: 0 0 .3rem; display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: baseline; }
.steps { display: grid; gap: 0; list-style: none; margin: .8rem 0 0; padding: 0; font-size: .92rem; }
.steps li { display: grid; grid-template-columns: 5rem minmax(0, 15rem) minmax(0, 1fr); gap: 0 1rem; align-items: center; padding: .14rem 0; }
.steps .ms { text-align: right; color: var(--soft); }
.steps svg { width: 100%; height: .75rem; overflow: hidden; background: var(--idle-bg); border-radius: .15rem; }
.mark-only { fill: var(--soft); }
.steps .who { color: var(--soft); font-size: .86em; }

@media (max-width: 44rem) {
  body { padding: 0 1rem 2rem; }
  header { margin-bottom: 1.5rem; padding-top: 1rem; }
  .cards, .cards tbody, .cards tr, .cards th, .cards td, .cards caption { display: block; }
  .cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .cards tbody tr { border-bottom: 1px solid var(--line); padding: .55rem 0; }
  .cards tbody th, .cards tbody td { border: 0; padding: .1rem 0; }
  .cards tbody td { display: grid; grid-template-columns: minmax(6rem, 38%) 1fr; gap: .8rem; }
  .cards tbody td > span { min-width: 0; overflow-wrap: anywhere; }
  .cards tbody td::before { content: attr(data-label); color: var(--soft); font-size: .875rem; }
  .cards td.figures, .cards th.figures { text-align: left; }
  .figures-row { grid-template-columns: 1fr 1fr; gap: 1rem; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .45rem; }
  .story li { grid-template-columns: 1fr; gap: 0; padding: .35rem 0; }
  .steps li { grid-template-columns: 4.4rem 1fr; padding: .3rem 0; }
  .steps svg { grid-column: 1 / -1; height: .4rem; margin-top: .2rem; }
  svg text { font-size: 12px; }
}
@media (forced-colors: active) {
  .bar, .passed, .came { fill: CanvasText; }
  .badge { border: 1px solid; }
}
@media print { nav, .skip, .search { display: none; } }
`;

export const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="12" fill="#0b7285"/></svg>\n';

const named = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);

export const STYLE_PATH = `/assets/pages-${named(STYLE)}.css`;
export const ICON_PATH = `/assets/icon-${named(ICON)}.svg`;
