// Keys of all pages: a key presses the button that names it (data-key), so that keys and mouse do the same thing.
// On the feed, keys of a card go to the card that has the focus, or had it last.
(() => {
  const NAMES = { ArrowLeft: "left", ArrowRight: "right", " ": "space" };
  let last = null;

  const seen = (element) => element.getClientRects().length > 0;
  const typing = (element) =>
    element && (/^(TEXTAREA|SELECT)$/.test(element.tagName) || element.isContentEditable ||
      (element.tagName === "INPUT" && !/^(checkbox|button)$/.test(element.type)));
  const cards = () => [...document.querySelectorAll("[data-card]")].filter(seen);
  const current = () => document.activeElement?.closest("[data-card]") ?? (last?.isConnected ? last : null);

  function move(step) {
    const all = cards();
    if (!all.length) return;
    const at = all.indexOf(current());
    const next = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
    (next.querySelector("a.title, button") ?? next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    last = next;
  }

  function target(key) {
    const places = [current() ?? cards()[0], document].filter(Boolean);
    const usable = (e) => (seen(e) || e.dataset.do === "undo") && !e.disabled; // Undo outlives its toast
    for (const place of places) {
      const found = [...place.querySelectorAll(`[data-key~="${CSS.escape(key)}"]`)].find(usable);
      if (found) return found;
    }
    return null;
  }

  document.addEventListener("focusin", (event) => {
    last = event.target.closest?.("[data-card]") ?? last;
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.metaKey || event.altKey || event.isComposing) return;
    const inside = typing(event.target);
    if (event.key === "Escape" && inside) return event.target.blur();
    const key = (event.ctrlKey ? "ctrl+" : "") + (NAMES[event.key] ?? event.key.toLowerCase());
    if (inside && !event.ctrlKey) return;
    if (event.key === "Enter" || event.key === "Tab") return;
    if (!event.ctrlKey && localStorage.getItem("feed-keys") === "off" && key !== "?") return;
    if (document.querySelector("dialog[open]")) return;
    if (key === "j" || key === "k") {
      if (!cards().length) return;
      event.preventDefault();
      return move(key === "j" ? 1 : -1);
    }
    if (event.repeat) return; // a key that is held down is pressed once
    const element = target(key);
    if (!element) return;
    event.preventDefault();
    if (/^(INPUT|SELECT)$/.test(element.tagName)) element.focus();
    else element.click();
  });

  // Where the feed was left: the address keeps order, filters and how much was loaded, the tab keeps how far it was scrolled.
  const place = () => "feed-place:" + location.search;
  if (location.pathname === "/") {
    history.scrollRestoration = "manual";
    const left = JSON.parse(sessionStorage.getItem("feed-place:" + (window.feedArrived ?? location.search)) ?? "null");
    const until = Date.now() + 5000;
    const restore = () => {
      const card = left && document.getElementById(left.card);
      if (left && (card || Date.now() < until) && document.documentElement.scrollHeight < left.y + innerHeight - 1 && Date.now() < until)
        return setTimeout(restore, 30);
      if (!left) return;
      scrollTo(0, left.y);
      card?.querySelector("a.title")?.focus({ preventScroll: true });
      document.documentElement.dataset.restored = "yes";
    };
    restore();
    addEventListener("pagehide", () => {
      sessionStorage.setItem("feed-url", location.pathname + location.search);
      sessionStorage.setItem(place(), JSON.stringify({ y: scrollY, card: current()?.id ?? null }));
    });
  }
  window.feedBack = () => {
    location.href = sessionStorage.getItem("feed-url") ?? "/";
  };
})();
