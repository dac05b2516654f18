// What rrweb records: the option sets a plan draws from, and the script injected into every page.

// "default" stands twice so that it is drawn twice as often. The order is part of the plan.
export const RECORDER_CONFIGS = [
  { name: 'default', options: {} },
  { name: 'default', options: {} },
  { name: 'mask-inputs', options: { maskAllInputs: true } },
  {
    name: 'sampled',
    options: { sampling: { mousemove: 100, scroll: 250, input: 'last' }, slimDOMOptions: 'all' },
  },
  { name: 'slim-nocss', options: { inlineStylesheet: false, slimDOMOptions: 'all' } },
  {
    name: 'mask-text',
    options: {
      maskAllInputs: true, maskInputOptions: { password: true },
      maskTextSelector: 'td, .user, .name, .card-title',
    },
  },
  { name: 'checkout', options: { checkoutEveryNth: 150, inlineStylesheet: false } },
  {
    name: 'console+custom',
    options: { inlineStylesheet: false, slimDOMOptions: { script: true, comment: true } },
    console: true, pageviews: true,
  },
];

// Runs in the page. Long pauses are not slept through: they are added to Date.now, so that recorded
// timestamps carry human-like gaps. The skew lives in sessionStorage to survive a page load, and a tab
// opened by window.open inherits it.
function virtualClock() {
  const trueNow = Date.now.bind(Date);
  let skew = 0;
  try { skew = +(sessionStorage.getItem('__s') || 0); } catch { /* no storage on this page */ }
  Date.now = () => trueNow() + skew;
  window.__skip = (ms) => {
    skew += ms;
    try { sessionStorage.setItem('__s', skew); } catch { /* no storage on this page */ }
  };
}

// Runs in the page, after rrweb (and the console plugin) were defined.
function startRecording(config) {
  const rrweb = window.rrweb;
  const options = { ...config.options, emit: (event) => window.__emit(JSON.stringify(event)) };
  if (config.console) {
    const plugin = window.rrwebPluginConsoleRecord.getRecordConsolePlugin;
    options.plugins = [plugin({ level: ['log', 'warn', 'error'] })];
  }
  window.__stop = rrweb.record(options);
  if (config.pageviews) {
    addEventListener('load', () => {
      try {
        rrweb.record.addCustomEvent('$pageview', { href: location.href, title: document.title });
      } catch { /* recording was stopped before the page had loaded */ }
    });
  }
}

// Returns the source of the script that records one page; `library` and `consolePlugin` are the
// published bundles, unmodified.
export function pageScript(config, { library, consolePlugin }) {
  return `(() => {
    if (window !== window.top || window.__recording || location.protocol === 'about:') return;
    window.__recording = true;
    (${virtualClock})();
    ${library}
    ;${config.console ? consolePlugin : ''}
    ;(${startRecording})(${JSON.stringify(config)});
  })();`;
}
