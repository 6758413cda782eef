"use strict";
(() => {
  const data = JSON.parse(document.getElementById("runner-data").textContent);
  const root = document.documentElement;

  // Light or dark: what the system says, until the reader says otherwise.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const show = (theme) => {
    root.dataset.theme = theme;
    button.setAttribute("aria-pressed", String(theme === "dark"));
    button.querySelector("span").textContent = theme === "dark" ? "Light" : "Dark";
  };
  let chosen = null;
  try { chosen = localStorage.getItem("runner-theme"); } catch { /* a page from disk may have none */ }
  show(chosen || (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => { if (!chosen) show(dark.matches ? "dark" : "light"); });
  button.addEventListener("click", () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    show(chosen);
    try { localStorage.setItem("runner-theme", chosen); } catch { /* see above */ }
  });

  // One small box for what the pointer is on.
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  const tooltip = (_, event, __, value) => {
    if (value == null || value === "") { tip.hidden = true; return; }
    tip.replaceChildren();
    const entries = typeof value === "object" ? Object.entries(value) : [["", value]];
    for (const [key, text] of entries) {
      const line = document.createElement("div");
      const name = document.createElement("span");
      name.textContent = key;
      line.append(name, String(text));
      tip.append(line);
    }
    tip.hidden = false;
    const x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    const y = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8);
    tip.style.transform = `translate(${Math.max(x, 4)}px, ${Math.max(y, 4)}px)`;
  };

  // Colours are CSS variables, which only SVG takes.
  const options = {
    mode: "vega-lite", renderer: "svg", config: data.config, actions: false, defaultStyle: false,
    tooltip, hover: true,
  };
  const drawn = new Map();
  const put = (place, spec) => {
    drawn.get(place)?.then((old) => old.finalize());
    const made = vegaEmbed(place, spec, options);
    drawn.set(place, made);
    return made.then(() => { place.dataset.drawn = "true"; return null; });
  };
  const draw = (place) => (drawn.has(place) ? drawn.get(place) : put(place, data.charts[Number(place.dataset.chart)]));
  const places = [...document.querySelectorAll("[data-chart]")];
  const watch = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (isIntersecting) { watch.unobserve(target); draw(target); }
    }
  }, { rootMargin: "600px" });
  places.forEach((place) => watch.observe(place));

  // On paper there is no scrolling to a chart, and nothing to unfold.
  const unfold = () => document.querySelectorAll("details").forEach((each) => { each.open = true; });
  const drawAll = () => Promise.all(places.map(draw)).then(() => places.length);
  window.addEventListener("beforeprint", unfold);
  const idle = window.requestIdleCallback || ((work) => setTimeout(work, 50));
  const rest = [...places];
  const drawRest = () => { if (rest.length) draw(rest.shift()).then(() => idle(drawRest)); };
  window.addEventListener("load", () => idle(drawRest));

  document.querySelectorAll("button[data-copy]").forEach((each) => {
    each.addEventListener("click", async () => {
      const text = document.getElementById(each.dataset.copy).textContent;
      try { await navigator.clipboard.writeText(text); } catch {
        const range = document.createRange();
        range.selectNodeContents(document.getElementById(each.dataset.copy));
        window.getSelection().removeAllRanges();
        window.getSelection().addRange(range);
        document.execCommand("copy");
      }
      each.textContent = "Copied";
      setTimeout(() => { each.textContent = "Copy"; }, 1500);
    });
  });

  window.runnerReport = { data, put, drawAll };
})();
