// The purchase form answers while it is changed: the same address is fetched and the
// parts that depend on it are exchanged, so that the page never jumps. Without this
// file the form has its button.

const wait = 350; // ms after the last key

for (const form of document.querySelectorAll("form[data-ask]")) enhance(form);

function enhance(form) {
  const parts = form.dataset.ask.split(" "); // ids of what is exchanged
  const live = document.getElementById(form.dataset.live);
  let timer = 0, request = null;

  form.addEventListener("input", (e) => {
    clearTimeout(timer);
    timer = setTimeout(update, ["text", "range"].includes(e.target.type) ? wait : 0);
  });
  form.addEventListener("submit", (e) => { e.preventDefault(); update(); });

  function update() {
    clearTimeout(timer);
    const url = new URL(form.action);
    // What is as it is without saying stays out of the address.
    for (const [name, value] of new FormData(form)) if (value && form.elements[name]?.dataset?.usual !== value) url.searchParams.append(name, value);
    request?.abort();
    // XMLHttpRequest parses the page without running anything in it, and needs no
    // policy for trusted types.
    request = new XMLHttpRequest();
    request.responseType = "document";
    request.open("GET", url);
    request.addEventListener("load", () => {
      const page = request.response;
      if (!page) return;
      const open = [...document.querySelectorAll("details[open][id]")].map((d) => d.id);
      for (const id of parts) {
        const now = document.getElementById(id), next = page.getElementById(id);
        if (now && next) now.replaceWith(document.adoptNode(next));
      }
      for (const id of open) { // what was unfolded stays so
        const d = document.getElementById(id);
        if (d) d.open = true;
      }
      history.replaceState(null, "", url);
      const verdict = document.getElementById("verdict");
      if (live && verdict) live.textContent = verdict.textContent;
    });
    request.addEventListener("error", () => form.submit());
    request.send();
  }
}
