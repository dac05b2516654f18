// What is shown at first, and the address: report.html#a-session shows that session.
function rememberPlace(number) {
  const hash = `#${encodeURIComponent(sessions.id[number])}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
}

function fromAddress() {
  try {
    return sessions.id.indexOf(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return -1;
  }
}

function fillHead() {
  document.title = `${count} sessions`;
  byId("title").textContent = `${count.toLocaleString("en")} session${count === 1 ? "" : "s"}`;
  const parts = [];
  const sites = new Set(sessions.site).size;
  parts.push(`${sites} site${sites === 1 ? "" : "s"}`, `${clusterPlaces.size} cluster${clusterPlaces.size === 1 ? "" : "s"}`);
  if (data.model) parts.push(words(`model ${data.model}`));
  const said = parts.flatMap((part, place) => (place ? [" · ", part] : [part]));
  byId("about").replaceChildren(...said);
  if (data.left_out.length) {
    const files = data.left_out.length === 1 ? "1 file was" : `${data.left_out.length} files were`;
    byId("about").append(" · ", make("a", "", `${files} left out`, { href: "#left-out" }));
    const details = byId("left-out");
    details.hidden = false;
    details.querySelector("summary").textContent = `${files} left out`;
    details.querySelector("tbody").replaceChildren(...data.left_out.map((row) => {
      const line = make("tr");
      for (const text of row) {
        const cell = make("td");
        cell.append(words(text));
        line.append(cell);
      }
      return line;
    }));
    byId("about").lastChild.addEventListener("click", (event) => {
      event.preventDefault();
      details.open = true;
      details.scrollIntoView();
    });
  }
  byId("privacy").textContent = data.masked
    ? "What people typed is masked in the replays, also where pages show it again. Other text of the pages is as it was recorded."
    : "This report shows what people typed. Pass it on with care.";
}

addEventListener("hashchange", () => {
  const number = fromAddress();
  if (number >= 0) choose(number, true);
});
fillHead();
fillFilters();
drawMap();
readFilters();
const wanted = fromAddress();
choose(wanted >= 0 ? wanted : 0, wanted >= 0);
document.documentElement.dataset.ready = "true";
