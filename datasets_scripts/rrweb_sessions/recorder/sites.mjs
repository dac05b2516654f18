// The sites: invented host -> where its files lie, their licence, and start pages for each task.
//
// `root` is "deb:<folder>" (unpacked Debian packages) or "npm:<package>" below the work folder's sites/.
// `plugins`, where there is one, is the package's own list of where its plugins come from (site_server.mjs).
// The order of hosts and of pages is part of the plan: append, never reorder, or old seeds change.

const JQUERY_UI_EXAMPLES = '/usr/share/doc/libjs-jquery-ui-docs/examples/';
const JQUERY_UI_WIDGETS = [
  'slider/default', 'slider/range', 'slider/colorpicker', 'datepicker/default',
  'datepicker/dropdown-month-year', 'accordion/default', 'accordion/collapsible', 'tabs/default',
  'autocomplete/default', 'sortable/default', 'draggable/default', 'droppable/default',
  'resizable/default', 'selectable/default', 'dialog/default', 'menu/default', 'spinner/default',
  'selectmenu/default', 'checkboxradio/default', 'tooltip/default', 'progressbar/default',
];
const TODO_FRAMEWORKS = [
  'backbone', 'react', 'vue', 'vanillajs', 'angularjs', 'knockoutjs', 'canjs', 'ractive', 'mithril',
  'emberjs', 'flight', 'knockback', 'spine', 'exoskeleton', 'ampersand', 'dojo', 'polymer', 'maria',
  'agilityjs', 'stapes', 'typescript-backbone', 'react-backbone',
];

export const SITES = {
  'pydocs.test': {
    root: 'deb:usr/share/doc/python3.11/html', licence: 'PSF-2.0',
    browse: ['/index.html', '/tutorial/index.html', '/library/json.html', '/library/asyncio.html',
      '/howto/index.html', '/faq/general.html'],
    search: ['/index.html', '/library/index.html'],
  },
  'djdocs.test': {
    root: 'deb:usr/share/doc/python-django-doc/html', licence: 'BSD-3-Clause',
    browse: ['/index.html', '/topics/index.html', '/intro/tutorial01.html', '/ref/models/fields.html'],
    search: ['/index.html', '/topics/index.html'],
  },
  'pgdocs.test': {
    root: 'deb:usr/share/doc/postgresql-doc-15/html', licence: 'PostgreSQL',
    browse: ['/index.html', '/sql-select.html', '/tutorial.html', '/indexes.html'],
  },
  'sqlite.test': {
    root: 'deb:usr/share/doc/sqlite3', licence: 'public-domain',
    browse: ['/about.html', '/lang_select.html', '/cli.html', '/arch.html', '/changes.html'],
  },
  'httpd.test': {
    root: 'deb:usr/share/doc/apache2-doc/manual/en', licence: 'Apache-2.0',
    browse: ['/index.html', '/howto/index.html', '/mod/core.html', '/ssl/index.html'],
  },
  'gitdocs.test': {
    root: 'deb:usr/share/doc/git-doc', licence: 'GPL-2.0',
    browse: ['/git.html', '/gittutorial.html', '/git-rebase.html', '/giteveryday.html'],
  },
  'jqui.test': {
    root: 'deb:', licence: 'MIT',
    widgets: JQUERY_UI_WIDGETS.map((name) => `${JQUERY_UI_EXAMPLES}${name}.html`),
  },
  'adminlte.test': {
    root: 'npm:admin-lte', licence: 'MIT', plugins: 'build/npm/Plugins.js',
    form: ['/pages/forms/general.html', '/pages/forms/validation.html', '/pages/forms/advanced.html',
      '/pages/examples/contact-us.html', '/pages/examples/project-add.html',
      '/pages/examples/register.html'],
    login: ['/pages/examples/login.html', '/pages/examples/login-v2.html'],
    table: ['/pages/tables/data.html', '/pages/tables/simple.html'],
    dash: ['/index.html', '/index2.html', '/index3.html', '/pages/widgets.html', '/pages/kanban.html',
      '/pages/calendar.html'],
    search: ['/pages/search/simple.html', '/pages/search/enhanced.html'],
    shop: ['/pages/examples/e-commerce.html'],
  },
  'sbadmin2.test': {
    root: 'npm:startbootstrap-sb-admin-2', licence: 'MIT',
    form: ['/register.html'],
    login: ['/login.html', '/forgot-password.html'],
    table: ['/tables.html'],
    dash: ['/index.html', '/cards.html', '/charts.html', '/buttons.html'],
  },
  'sbadmin.test': {
    root: 'npm:startbootstrap-sb-admin/dist', licence: 'MIT',
    login: ['/login.html', '/password.html'],
    form: ['/register.html'],
    table: ['/tables.html'],
    dash: ['/index.html', '/charts.html'],
  },
  'gentelella.test': {
    root: 'npm:gentelella', licence: 'MIT',
    form: ['/production/form.html', '/production/form_validation.html', '/production/form_wizards.html',
      '/production/form_advanced.html'],
    login: ['/production/login.html'],
    table: ['/production/tables_dynamic.html', '/production/tables.html'],
    dash: ['/production/index.html', '/production/index2.html', '/production/inbox.html',
      '/production/projects.html', '/production/contacts.html'],
    shop: ['/production/e_commerce.html', '/production/pricing_tables.html'],
  },
  'tabler.test': {
    root: 'npm:@tabler/preview/dist', licence: 'MIT',
    form: ['/form-elements.html', '/settings.html', '/sign-up.html', '/wizard.html'],
    login: ['/sign-in.html', '/sign-in-cover.html', '/forgot-password.html'],
    table: ['/datatables.html', '/tables.html'],
    dash: ['/index.html', '/widgets.html', '/tasks.html', '/users.html', '/chat.html'],
    widgets: ['/tabs.html', '/accordion.html', '/modals.html', '/carousel.html', '/dropdowns.html',
      '/segmented-control.html'],
    search: ['/search-results.html'],
  },
  'todo.test': {
    root: 'npm:todomvc', licence: 'MIT',
    todo: TODO_FRAMEWORKS.map((name) => `/examples/${name}/index.html`),
  },
  'shop.test': {
    root: 'npm:startbootstrap-shop-homepage/dist', licence: 'MIT',
    shop: ['/index.html'],
  },
  'item.test': {
    root: 'npm:startbootstrap-shop-item/dist', licence: 'MIT',
    shop: ['/index.html'],
  },
  'blog.test': {
    root: 'npm:startbootstrap-clean-blog/dist', licence: 'MIT',
    browse: ['/index.html', '/post.html', '/about.html'],
    form: ['/contact.html'],
  },
  'business.test': {
    root: 'npm:startbootstrap-modern-business/dist', licence: 'MIT',
    browse: ['/index.html', '/blog-home.html', '/faq.html'],
    form: ['/contact.html'],
    shop: ['/pricing.html', '/portfolio-overview.html'],
  },
  'agency.test': {
    root: 'npm:startbootstrap-agency/dist', licence: 'MIT',
    form: ['/index.html'],
    browse: ['/index.html'],
  },
  'ace.test': {
    root: 'npm:ace-builds', licence: 'BSD-3-Clause',
    code: ['/editor.html'],
  },
};

// Requests for other hosts never leave the machine: what an installed package can answer is answered
// from it, the rest is aborted. Each rule is [pattern, match -> path below sites/npm/node_modules].
export const CDN_RULES = [
  [/\/npm\/((?:@[^/]+\/)?[^/@]+)@[^/]+\/(.+)$/, (match) => `${match[1]}/${match[2]}`],
  [/fontawesome\.com\/releases\/[^/]+\/(.+)$/, (match) => `@fortawesome/fontawesome-free/${match[1]}`],
  [/ajax\/libs\/Chart\.js/, () => 'chart.js/dist/Chart.min.js'],
];
