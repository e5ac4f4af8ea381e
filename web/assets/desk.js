// The desk tells how far runs have come, and looks again when one has begun or ended.
// Without this file the page says how things stood, with a link to look again.

const desk = document.getElementById("desk");
if (desk?.dataset.live) listen();

function listen() {
  const source = new EventSource(desk.dataset.live);
  let timer = 0;
  source.addEventListener("progress", (e) => {
    for (const run of JSON.parse(e.data)) {
      const line = document.querySelector(`.desk-run[data-portal="${CSS.escape(run.portal)}"]`);
      if (!line) { again(); continue; }
      const bar = line.querySelector("progress");
      bar.max = run.max;
      bar.value = run.value;
      line.querySelector(".desk-run-text").textContent = run.text;
    }
  });
  source.addEventListener("changed", again);
  addEventListener("pagehide", () => source.close());

  // What a run changes is exchanged, and nothing that somebody is typing into.
  function again() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const now = document.getElementById("desk");
      if (now.contains(document.activeElement)) return;
      const request = new XMLHttpRequest();
      request.responseType = "document";
      request.open("GET", location.href);
      request.addEventListener("load", () => {
        const next = request.response?.getElementById("desk");
        if (next) now.replaceWith(document.adoptNode(next));
      });
      request.send();
    }, 400);
  }
}
