"use strict";
(() => {
  const { data, put } = window.runnerReport;

  // Curves: what the reader chose, out of all points.
  const rows = (columns, names) => columns[0].map((_, at) =>
    Object.fromEntries(names.map((name, which) => [name, columns[which][at]])));
  // On a logarithmic axis an interval that reaches below 0 goes out at the lower end.
  const scaled = (points) => {
    const means = points.map((p) => p.mean);
    const [low, high] = [Math.min(...means), Math.max(...means)];
    const log = low > 0 && high > 30 * low;
    const ends = points.flatMap((p) => [p.mean, p.low, p.high]).filter((x) => x !== null);
    const above = log ? ends.filter((x) => x > 0) : ends;
    let [from, to] = [Math.min(...above), Math.max(...above)];
    if (from === to) {
      const half = Math.abs(from) / 10 || 1;
      [from, to] = [from - half, to + half];
    }
    const scale = { type: log ? "log" : "linear", zero: false, domain: [from, to], nice: true };
    if (log) delete scale.zero;
    const drawn = points.map((p) => (log && p.low !== null && p.low <= 0 ? { ...p, low: from * 1e-6 } : p));
    return { scale, drawn };
  };
  const filled = (spec, points, title) => {
    const made = structuredClone(spec);
    const { scale, drawn } = scaled(points);
    made.data = { values: drawn };
    made.description = `${spec.description}: ${title}`;
    for (const layer of made.layer) {
      Object.assign(layer.encoding.y, { title, scale });
      layer.encoding.y.axis = data.axes[scale.type];
    }
    return made;
  };
  const some = (points) => points.filter((p) => p.mean !== null);
  const draw = (place, spec, points, title) => {
    place.hidden = points.length === 0;
    return points.length ? [put(place, filled(spec, points, title))] : [];
  };
  const said = (panel, points) => {
    const runs = points.reduce((sum, p) => sum + p.runs, 0);
    const missing = runs - points.reduce((sum, p) => sum + p.n, 0);
    panel.querySelector("[data-missing]").textContent =
      missing ? `${missing} of ${runs} runs are left out here: they have values that are not finite.` : "";
  };
  const curves = [];
  document.querySelectorAll("[data-panel]").forEach((panel) => {
    const { points, places, key, deep, depth, kinds } = data.panels[Number(panel.dataset.panel)];
    const chosen = (name) => panel.querySelector(`[data-choose="${name}"]`);
    const show = () => {
      const statistic = chosen("statistic").value;
      const words = chosen("statistic").selectedOptions[0].textContent;
      const layers = points[statistic] ?? {};
      const select = chosen("layer");
      if (select) select.disabled = "" in layers;
      const layer = "" in layers ? "" : select?.value ?? "";
      const here = layers[layer] ? rows(layers[layer], ["place", "mean", "low", "high", "n", "runs"]) : [];
      const placed = here.map((p) => ({ ...p, value: places[p.place][0], series: places[p.place][1] }));
      said(panel, placed);
      const title = layer ? `${words} of ${layer === "last layer" ? "the last layer" : layer}` : words;
      const work = draw(panel.querySelector('[data-curve="key"]'), key, some(placed), title);
      const place = panel.querySelector('[data-curve="depth"]');
      if (place) {
        const kind = chosen("kind")?.value ?? kinds[0];
        const columns = deep[statistic]?.[kind];
        const there = columns ? rows(columns, ["line", "position", "layer", "mean", "low", "high", "n", "runs"]) : [];
        work.push(...draw(place, depth, some(there), kind ? `${words} of ${kind} layers` : words));
        place.parentElement.hidden = place.hidden;
      }
      return Promise.all(work);
    };
    panel.querySelectorAll("select").forEach((each) => each.addEventListener("change", show));
    curves.push(show());
  });

  // The table: sorted and filtered here, and of many rows only the first are drawn.
  const { heads, rows: runs, pages } = data.table;
  const names = heads.map(([name]) => name);
  const linked = new Set(pages);
  const table = document.getElementById("table");
  const filter = document.getElementById("filter");
  const more = document.getElementById("more");
  const keyed = new Set(names.flatMap((name, at) => (data.keys.includes(name) ? [at] : [])));
  const numeric = names.map((_, at) => runs.some((row) => typeof row[at] === "number"));
  let limit = 200;
  let by = null;
  let down = false;

  const text = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value !== "number") return String(value);
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e6) return String(value);
    const short = size < 1e-3 || size >= 1e6 ? value.toExponential(3) : String(Number(value.toPrecision(4)));
    return short.replaceAll("-", "−");
  };
  // Keys are shown as they were typed.
  const cellText = (value, at) => (keyed.has(at) ? String(value ?? "") : text(value));
  const compare = {
    "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
    "=": (a, b) => a === b, "!=": (a, b) => a !== b,
  };
  const column = (name) => {
    const at = names.indexOf(name);
    return at >= 0 ? at : names.findIndex((head) => head.endsWith(`.${name}`));
  };
  const condition = (word) => {
    const found = /^([\w.-]+)(<=|>=|!=|<|>|=)(.+)$/.exec(word);
    const at = found ? column(found[1]) : -1;
    if (at < 0) return (row) => row.some((cell) => String(cell ?? "").toLowerCase().includes(word.toLowerCase()));
    const [, , sign, typed] = found;
    const number = Number(typed);
    return (row) => {
      const cell = row[at];
      if (cell === null || cell === "") return false;
      if (typeof cell === "number" && !Number.isNaN(number)) return compare[sign](cell, number);
      // Text among numbers, as where a key was not given, is neither less nor more.
      if (numeric[at] && sign !== "=" && sign !== "!=") return false;
      return compare[sign](String(cell), typed);
    };
  };
  const order = (a, b) => {
    const [x, y] = [a[by], b[by]];
    const [noX, noY] = [x === null || x === "", y === null || y === ""];
    if (noX || noY) return noX - noY;
    const both = typeof x === "number" && typeof y === "number";
    const found = both ? x - y : text(x).localeCompare(text(y), undefined, { numeric: true });
    return down ? -found : found;
  };

  const drawTable = () => {
    const conditions = filter.value.trim().split(/\s+/).filter(Boolean).map(condition);
    const shown = runs.filter((row) => conditions.every((holds) => holds(row)));
    if (by !== null) shown.sort(order);
    const body = document.createElement("tbody");
    for (const row of shown.slice(0, limit)) {
      const line = document.createElement("tr");
      row.forEach((value, at) => {
        const cell = document.createElement("td");
        if (at === row.length - 1 && linked.has(value)) {
          const link = document.createElement("a");
          link.href = `${encodeURIComponent(value)}.html`;
          link.textContent = value;
          cell.append(link);
        } else {
          cell.textContent = cellText(value, at);
        }
        if (numeric[at]) cell.className = "number";
        if (typeof value === "number") cell.title = String(value);
        if (at === 1) cell.className = value === "FINISHED" ? "state" : "state bad";
        line.append(cell);
      });
      body.append(line);
    }
    table.tBodies[0].replaceWith(body);
    const all = shown.length === runs.length ? `${runs.length} runs` : `${shown.length} of ${runs.length} runs`;
    document.getElementById("count").textContent = shown.length > limit ? `${all}, the first ${limit} drawn` : all;
    more.hidden = shown.length <= limit;
    more.textContent = `Show all ${shown.length}`;
  };

  const head = document.createElement("tr");
  heads.forEach(([name, words], at) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    const button = document.createElement("button");
    button.type = "button";
    // Long keys break after a dot.
    words.split(/(?<=\.)/).forEach((part) => button.append(part, document.createElement("wbr")));
    button.title = `in conditions: ${name}`;
    if (numeric[at]) cell.className = "number";
    button.addEventListener("click", () => {
      down = by === at ? !down : false;
      by = at;
      [...head.cells].forEach((each) => each.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      drawTable();
    });
    cell.append(button);
    head.append(cell);
  });
  table.tHead.append(head);
  filter.addEventListener("input", drawTable);
  more.addEventListener("click", () => { limit = Infinity; drawTable(); });
  drawTable();

  const { drawAll } = window.runnerReport;
  window.runnerReport.drawAll = () => Promise.all([drawAll(), ...curves]).then(() => curves.length);
})();
