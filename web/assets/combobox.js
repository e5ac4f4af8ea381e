// The search box as a combobox with a list (ARIA Authoring Practices): suggestions
// from the server while typing, arrows to choose, Enter to go there, Escape to close.
// Without this file the form simply searches.

const wait = 120; // ms after the last key

for (const form of document.querySelectorAll("form[data-combobox]")) enhance(form);

function enhance(form) {
  const input = form.querySelector("input[type=search]");
  const list = document.createElement("ul");
  const live = document.createElement("span");
  let timer = 0, asked = "", controller = null, active = -1;

  list.id = input.id + "-options";
  list.className = "options";
  list.role = "listbox";
  list.hidden = true;
  list.ariaLabel = form.querySelector("label").textContent;
  live.className = "vh";
  live.role = "status";
  form.append(list, live);

  input.role = "combobox";
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  });
  input.addEventListener("focus", () => { if (list.children.length) open(true); });
  input.addEventListener("keydown", (e) => {
    if (e.isComposing) return;
    switch (e.key) {
      case "ArrowDown": case "ArrowUp":
        e.preventDefault();
        // Who has begun to choose doesn't want the list exchanged under the finger.
        clearTimeout(timer);
        controller?.abort();
        if (list.hidden) { if (list.children.length) open(true); else ask(); }
        choose(active + (e.key === "ArrowDown" ? 1 : -1));
        break;
      case "Home": case "End":
        choose(-1);
        break;
      case "Escape":
        if (!list.hidden) { e.preventDefault(); open(false); }
        break;
      case "Tab":
        open(false);
        break;
    }
  });
  // Enter sends the form; with a suggestion chosen it leads there instead.
  form.addEventListener("submit", (e) => {
    if (active < 0 || list.hidden) return;
    e.preventDefault();
    location.assign(list.children[active].dataset.href);
  });
  document.addEventListener("pointerdown", (e) => { if (!form.contains(e.target)) open(false); });

  async function ask() {
    const text = input.value.trim();
    if (text === asked) return;
    asked = text;
    controller?.abort();
    if (text.length < 2 || text.length > 80 || text.includes("://")) return show([], text);
    controller = new AbortController();
    const url = new URL(form.dataset.suggest, location.href);
    url.searchParams.set("q", text);
    const country = form.querySelector("input[name=country]");
    if (country) url.searchParams.set("country", country.value);
    try {
      const answer = await fetch(url, { signal: controller.signal, headers: { Accept: "application/json" } });
      if (answer.ok) show((await answer.json()).items, text);
    } catch (e) {
      if (e.name !== "AbortError") asked = ""; // offline: the next key asks again
    }
  }

  function show(items, text) {
    list.dataset.for = text;
    list.replaceChildren(...items.map((item, i) => {
      const li = document.createElement("li");
      li.role = "option";
      li.id = list.id + "-" + i;
      li.ariaSelected = "false";
      li.dataset.href = item.href;
      const name = document.createElement("span");
      name.textContent = item.name;
      const detail = document.createElement("small");
      detail.textContent = item.detail;
      li.append(name, detail);
      li.addEventListener("click", () => location.assign(item.href));
      return li;
    }));
    active = -1;
    input.removeAttribute("aria-activedescendant");
    open(items.length > 0 && document.activeElement === input);
    const said = items.length ? form.dataset.count.replace("#", items.length) : form.dataset.none;
    live.textContent = text.length < 2 ? "" : said;
  }

  function choose(i) {
    const n = list.children.length;
    if (active >= 0) list.children[active].ariaSelected = "false";
    active = n === 0 ? -1 : i < -1 ? n - 1 : i >= n ? -1 : i;
    if (active < 0) return input.removeAttribute("aria-activedescendant");
    const option = list.children[active];
    option.ariaSelected = "true";
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  function open(yes) {
    list.hidden = !yes;
    input.setAttribute("aria-expanded", String(yes));
    if (!yes) choose(-1);
  }
}
