/** VitePress's own theme with our corrections, and a link to the other versions: they lie outside of what VitePress builds. */
import Theme from 'vitepress/theme';
import { h } from 'vue';
import './site.css';

const Versions = ({ version, to }) => h('a', { class: 'versions', href: to }, `Version ${version}`);
Versions.props = ['version', 'to'];

export default {
  extends: Theme,
  enhanceApp: ({ app }) => app.component('Versions', Versions),
};
