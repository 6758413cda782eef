"use strict";
(() => {
  const { data, put } = window.runnerReport;

  // Curves: what the reader chose, out of all points.
  const scaleFor = (points) => {
    const values = points.flatMap((p) => [p.mean, p.low, p.high]).filter((x) => x !== null);
    const low = Math.min(...values);
    return low > 0 && Math.max(...values) > 30 * low ? { type: "log" } : { type: "linear", zero: false };
  };
  const filled = (spec, points, title) => {
    const made = structuredClone(spec);
    made.data = { values: points };
    made.description = `${spec.description}: ${title}`;
    const scale = scaleFor(points);
    for (const layer of made.layer) {
      Object.assign(layer.encoding.y, { title, scale });
      layer.encoding.y.axis = data.axes[scale.type];
    }
    return made;
  };
  const named = ([value, series, layer, statistic, mean, low, high, n]) =>
    ({ value, series, layer, statistic, mean, low, high, n });
  const curves = [];
  document.querySelectorAll("[data-panel]").forEach((panel) => {
    const { points, key, deep, depth, positions } = data.panels[Number(panel.dataset.panel)];
    const chosen = (name) => panel.querySelector(`[data-choose="${name}"]`)?.value ?? "";
    const show = () => {
      const statistic = chosen("statistic");
      const ofLayers = points.some((p) => p[3] === statistic && p[2] !== "");
      const layer = ofLayers ? chosen("layer") : "";
      const select = panel.querySelector('[data-choose="layer"]');
      if (select) select.disabled = !ofLayers;
      const here = points.filter((p) => p[3] === statistic && p[2] === layer && p[4] !== null).map(named);
      const title = layer ? `${statistic} of ${layer}` : statistic;
      const work = [put(panel.querySelector('[data-curve="key"]'), filled(key, here, title))];
      const place = panel.querySelector('[data-curve="depth"]');
      if (place) {
        const there = deep.filter((p) => p[3] === statistic && p[4] !== null).map(named)
          .map((p) => ({ ...p, line: String(p.value), position: positions[p.layer] }));
        place.parentElement.hidden = there.length === 0;
        if (there.length) work.push(put(place, filled(depth, there, statistic)));
      }
      return Promise.all(work);
    };
    panel.querySelectorAll("select").forEach((each) => each.addEventListener("change", show));
    curves.push(show());
  });

  // The table: sorted and filtered here, and of many rows only the first are drawn.
  const { heads, rows, pages } = data.table;
  const linked = new Set(pages);
  const table = document.getElementById("table");
  const filter = document.getElementById("filter");
  const more = document.getElementById("more");
  let limit = 200;
  let by = null;
  let down = false;

  const text = (value) => {
    if (value === null || value === undefined) return "";
    return String(typeof value === "number" ? Number(value.toPrecision(5)) : value);
  };
  const compare = {
    "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
    "=": (a, b) => a === b, "!=": (a, b) => a !== b,
  };
  const column = (name) => {
    const at = heads.indexOf(name);
    return at >= 0 ? at : heads.findIndex((head) => head.endsWith(`.${name}`));
  };
  const condition = (word) => {
    const found = /^([\w.-]+)(<=|>=|!=|<|>|=)(.+)$/.exec(word);
    const at = found ? column(found[1]) : -1;
    if (at < 0) return (row) => row.some((cell) => text(cell).toLowerCase().includes(word.toLowerCase()));
    const number = Number(found[3]);
    return (row) => {
      if (row[at] === null || row[at] === "") return false;
      const both = typeof row[at] === "number" && !Number.isNaN(number);
      return compare[found[2]](both ? row[at] : text(row[at]), both ? number : found[3]);
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

  const draw = () => {
    const conditions = filter.value.trim().split(/\s+/).filter(Boolean).map(condition);
    const shown = rows.filter((row) => conditions.every((holds) => holds(row)));
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
          cell.textContent = text(value);
        }
        if (typeof value === "number") cell.className = "number";
        if (at === 1 && value !== "FINISHED") cell.className = "bad";
        line.append(cell);
      });
      body.append(line);
    }
    table.tBodies[0].replaceWith(body);
    const all = shown.length === rows.length ? `${rows.length} runs` : `${shown.length} of ${rows.length} runs`;
    document.getElementById("count").textContent = shown.length > limit ? `${all}, the first ${limit} drawn` : all;
    more.hidden = shown.length <= limit;
    more.textContent = `Show all ${shown.length}`;
  };

  const head = document.createElement("tr");
  heads.forEach((name, at) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => {
      down = by === at ? !down : false;
      by = at;
      [...head.cells].forEach((each) => each.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      draw();
    });
    cell.append(button);
    head.append(cell);
  });
  table.tHead.append(head);
  filter.addEventListener("input", draw);
  more.addEventListener("click", () => { limit = Infinity; draw(); });
  draw();

  const { drawAll } = window.runnerReport;
  window.runnerReport.drawAll = () => Promise.all([drawAll(), ...curves]).then(() => curves.length);
})();
