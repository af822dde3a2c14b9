// The explorer: the settings of the run as lines along one axis or across all axes, for any metric, with what is held in sight.
// The charts come from the page as Vega-Lite without data; this fills in points, types, scales and titles.

const MOST_COLORS = 7, MOST_ACROSS = 500, MOST_MARKS = 1500;
const PADDING = { left: 14, right: 14, top: 5, bottom: 5 }; // room for the outer labels of a colour scale

function explorer(data, charts) {
  const root = document.getElementById("explorer");
  const { axes, codes, metrics, opening } = data;
  const chosen = {
    view: "lines", metric: opening.metric, x: opening.x, color: opening.color, panel: null,
    held: new Map(axes.map((axis, k) => [k, opening.held[axis.name] ?? null])),
  };
  let view = null, drawing = 0, points = [], nowhere = 0, pinned = 0;

  // Text of points

  const valueAt = (axis, point) => axes[axis].values[codes[axis][point]];
  const named = (axis) => axes[axis].name + (axes[axis].unit ? ` [${axes[axis].unit}]` : "");
  const digits = (value) => value === null ? "none" : String(Number(value.toPrecision(4)));
  function estimate(metric, point) { // with the digits that the half width of its interval leaves
    const [value, low, high] = [metric.value[point], metric.low[point], metric.high[point]];
    if (low === null || high === null) return `${digits(value)} no interval`;
    const places = high > low ? 1 - Math.floor(Math.log10((high - low) / 2)) : 100;
    const text = places < 0 || places > 8 ? digits : (number) => number.toFixed(places);
    return `${text(value)} [${text(low)}, ${text(high)}]`;
  }
  const placed = (axis, point) => !axes[axis].numeric || valueAt(axis, point) !== "-"; // "-": the setting has no such number
  const whole = (axis) => axes[axis].numeric && !axes[axis].values.includes("-");
  const rerun = (point) => `${data.rerun} ${data.cells[point]}`;
  function lines(point) {
    const metric = metrics[chosen.metric];
    const setting = axes.map((axis, k) => [axis.name, String(valueAt(k, point))]);
    const left = data.excluded[point] ? `, ${data.excluded[point]} left out` : "";
    return [
      [metric.name, estimate(metric, point)],
      ["status", metric.words[metric.status[point]]],
      ["seeds", `${data.seeds[point]} (${data.rows[point]} rows${left})`],
      ...setting.filter(([, value]) => value !== "-"),
      ["rerun", rerun(point)],
    ];
  }
  const listed = (point) => element("dl", {},
    ...lines(point).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));

  // Controls

  const says = element("p", { class: "says", role: "status" });
  const chart = element("div", { class: "chart", role: "img" });
  const tip = element("div", { class: "tip", hidden: "" });
  const detail = element("div", { class: "detail" });
  const held = element("div", { class: "controls" });

  function select(label, options, value, change) {
    const list = element("select", { "aria-label": label, change: (event) => { change(event.target.value); update(); } },
      ...options.map(([key, text]) => element("option", { value: key }, text)));
    list.value = value;
    return element("label", {}, `${label} `, list);
  }
  const number = (text) => text === "" ? null : Number(text);
  const listAxes = (none) => [...(none ? [["", none]] : []), ...axes.map((axis, k) => [String(k), named(k)])];
  const controls = element("div", { class: "controls" },
    select("view", [["lines", "lines along one axis"], ["parallel", "all axes side by side"]], chosen.view,
      (value) => { chosen.view = value; }),
    select("metric", metrics.map((metric, k) => [String(k), metric.name]), String(chosen.metric),
      (value) => { chosen.metric = Number(value); }),
    select("along", listAxes(), String(chosen.x), (value) => { chosen.x = Number(value); }),
    select("colour", listAxes("one colour"), String(chosen.color ?? ""), (value) => { chosen.color = number(value); }),
    select("panels", listAxes("one panel"), "", (value) => { chosen.panel = number(value); }));

  function updateHeld() {
    const shownAxes = chosen.view === "lines" ? [chosen.x, chosen.color, chosen.panel] : [];
    const free = axes.map((_, k) => k).filter((k) => !shownAxes.includes(k));
    shownAxes.filter((k) => k !== null).forEach((k) => chosen.held.set(k, null));
    held.replaceChildren(...free.map((k) => select(`${axes[k].name} =`,
      [["", "all values"], ...axes[k].values.map((value, code) => [String(code), String(value)])],
      String(chosen.held.get(k) ?? ""), (value) => chosen.held.set(k, number(value)))));
  }

  // Charts

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function config() {
    const [text, quiet, line] = ["--text", "--quiet", "--line"].map(style);
    const palette = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7"].map(style);
    return {
      aria: false, background: "transparent", font: "system-ui, sans-serif", view: { stroke: line },
      mark: { color: palette[0] }, range: { category: palette }, rule: { color: quiet }, text: { color: text },
      axis: { labelColor: text, titleColor: text, gridColor: line, domainColor: quiet, tickColor: quiet, labelLimit: 110,
        titleLimit: 400, titleFontWeight: "normal", labelFontSize: 11, titleFontSize: 12, tickCount: 7 },
      legend: { labelFontSize: 11, titleFontSize: 12, labelColor: text, titleColor: text, titleFontWeight: "normal", titleLimit: 300, labelLimit: 160 },
      header: { labelColor: text, titleColor: text, titleFontWeight: "normal" },
    };
  }

  function scaled(k) {
    const axis = axes[k];
    if (!axis.numeric) return { field: "x", type: "ordinal", sort: axis.values, title: named(k) };
    return { field: "x", type: "quantitative", title: named(k), scale: axis.log ? { type: "log" } : { zero: false } };
  }

  function colored(encoding, width) {
    if (chosen.color === null) {
      for (const name of ["color", "shape", "strokeDash"]) delete encoding[name];
      return;
    }
    // One domain for colour, shape and dashes, so that they share one legend: the values that are shown, in their order.
    const axis = axes[chosen.color];
    const used = new Set(points.map((i) => codes[chosen.color][i]));
    const domain = axis.values.filter((_, code) => used.has(code)).map(String);
    const columns = Math.max(1, Math.floor((width - 40) / (Math.min(Math.max(...domain.map((text) => text.length), 3), 24) * 7 + 34)));
    const common = { title: named(chosen.color), legend: { orient: "bottom", columns, symbolLimit: 40, symbolOpacity: 1 } };
    if (domain.length > MOST_COLORS) {
      encoding.color = whole(chosen.color)
        ? { ...common, field: "shade", type: "quantitative", scale: { scheme: "viridis", type: axis.log ? "log" : "linear" } }
        : { ...common, field: "color", type: "nominal", scale: { domain, scheme: "viridis" } };
      for (const name of ["shape", "strokeDash"]) delete encoding[name];
      return;
    }
    for (const name of ["color", "shape", "strokeDash"]) {
      if (encoding[name]) encoding[name] = { ...common, field: "color", type: "nominal", scale: { domain } };
    }
  }

  function lineChart(width) {
    const spec = structuredClone(charts.lines);
    const metric = metrics[chosen.metric];
    const others = axes.map((_, k) => k).filter((k) => k !== chosen.x);
    const rows = points.map((i) => ({
      i, x: valueAt(chosen.x, i), value: metric.value[i], low: metric.low[i], high: metric.high[i],
      line: others.map((k) => codes[k][i]).join(" "),
      color: chosen.color === null ? "" : String(valueAt(chosen.color, i)), shade: chosen.color === null ? 0 : valueAt(chosen.color, i),
      panel: chosen.panel === null ? "" : String(valueAt(chosen.panel, i)),
    }));
    const [low, high] = [Math.min, Math.max].map((f) => f(...points.flatMap((i) => [metric.value[i], metric.low[i] ?? metric.value[i],
      metric.high[i] ?? metric.value[i]])));
    const levels = metric.signed && low <= 0 && high >= 0 ? [{ level: 0 }] : [];
    if (!levels.length) spec.layer.shift(); // the first layer is that of the levels
    const bounded = points.some((i) => metric.low[i] !== null && metric.high[i] !== null);
    if (!bounded) spec.layer = spec.layer.filter((layer) => layer.encoding.y?.field !== "low"); // an empty axis has no extent
    for (const layer of spec.layer) {
      if (!layer.encoding.x) continue;
      layer.encoding.x = scaled(chosen.x);
      layer.encoding.y.title = metric.name;
      colored(layer.encoding, width);
    }
    const content = { ...spec, datasets: { points: rows, levels } };
    if (chosen.panel === null) return { ...content, width, height: 320, padding: PADDING, autosize: { type: "fit", contains: "padding" } };
    const { layer, ...outside } = content;
    const many = axes[chosen.panel].values.length;
    const columns = Math.min(many, Math.max(1, Math.floor(width / 230)));
    return {
      ...outside, columns, facet: { field: "panel", type: "nominal", sort: axes[chosen.panel].values.map(String), title: named(chosen.panel) },
      spec: { layer, width: Math.max(120, Math.floor((width - 70) / columns) - 26), height: 180 },
    };
  }

  function place(value, values, log) {
    const scale = log ? Math.log : (v) => v;
    const [low, high] = [Math.min(...values.map(scale)), Math.max(...values.map(scale))];
    return high > low ? (scale(value) - low) / (high - low) : 0.5;
  }

  function apart() { // labels that would lie on the one before them are left out
    let before = { axis: null, place: 0 };
    return (tick) => {
      const kept = tick.axis !== before.axis || Math.abs(tick.place - before.place) >= 0.06;
      if (kept) before = tick;
      return kept;
    };
  }

  function across(width) {
    const spec = structuredClone(charts.parallel);
    const metric = metrics[chosen.metric];
    const room = Math.max(2, Math.floor(width / 84) - 1);
    const varied = axes.map((_, k) => k).filter((k) => new Set(points.map((i) => codes[k][i])).size > 1);
    const used = varied.slice(0, room);
    const step = Math.ceil(points.length / MOST_ACROSS);
    const some = points.filter((_, k) => k % step === 0);
    const rank = (k, code) => axes[k].values.length > 1 ? code / (axes[k].values.length - 1) : 0.5;
    const at = (k, code) => whole(k) ? place(axes[k].values[code], axes[k].values, axes[k].log) : rank(k, code);
    const found = points.map((i) => metric.value[i]);
    const [low, high] = [Math.min(...found), Math.max(...found)];
    const rows = some.flatMap((i) => [...used.map((k) => ({ axis: axes[k].name, place: at(k, codes[k][i]) })),
      { axis: metric.name, place: place(metric.value[i], [low, high], false) }]
      .map((row) => ({ ...row, i, point: i, value: metric.value[i] })));
    const ticks = used.flatMap((k) => axes[k].values.map((value, code) => (
      { axis: axes[k].name, place: at(k, code), label: String(value).slice(0, 10) })))
      .concat([0, 0.25, 0.5, 0.75, 1].map((share) => (
        { axis: metric.name, place: high > low ? share : 0.5, label: digits(low + share * (high - low)) })))
      .filter(apart());
    for (const layer of spec.layer) {
      layer.encoding.x.sort = [...used.map((k) => axes[k].name), metric.name];
      if (layer.encoding.color) layer.encoding.color.title = metric.name;
    }
    const cut = [step > 1 ? `every ${step}th setting` : "", varied.length > used.length ? `${used.length} of ${varied.length} axes` : ""];
    return [{ ...spec, datasets: { points: rows, ticks }, width, height: 340, padding: PADDING, autosize: { type: "fit", contains: "padding" } },
      cut.filter(Boolean).join(", ")];
  }

  // Details

  function showTip(_, event, item) {
    const point = item?.datum?.i;
    tip.hidden = point === undefined;
    if (tip.hidden) return;
    tip.replaceChildren(listed(point));
    const [width, height] = [tip.offsetWidth, tip.offsetHeight];
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, document.documentElement.clientWidth - width - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, window.innerHeight - height - 8))}px`;
  }

  function pin(index) {
    pinned = Math.max(0, Math.min(index, points.length - 1));
    const point = points[pinned];
    if (point === undefined) { detail.replaceChildren(); return; }
    const step = (text, by) => element("button", { type: "button", click: () => { pin(pinned + by); detail.querySelector(by < 0 ? ".back" : ".on").focus(); },
      class: by < 0 ? "back" : "on" }, text);
    detail.replaceChildren(
      element("div", { class: "tools" }, element("strong", {}, `point ${pinned + 1} of ${points.length}`),
        step("previous", -1), step("next", 1),
        element("button", { type: "button", click: (event) => copy(rerun(point), event.currentTarget) }, "copy the rerun line")),
      listed(point));
  }

  function save() {
    const head = [...axes.map((axis) => axis.name), "seeds", "rows", "excluded",
      ...metrics.flatMap(({ name }) => [name, `${name}_low`, `${name}_high`, `${name}_status`]), "cell_id"];
    const rows = points.map((i) => [...axes.map((_, k) => valueAt(k, i)), data.seeds[i], data.rows[i], data.excluded[i],
      ...metrics.flatMap((m) => [m.value[i], m.low[i], m.high[i], m.words[m.status[i]]]), data.cells[i]]);
    download("settings.csv", csvText([head, ...rows]));
  }

  async function draw() {
    const mine = ++drawing;
    const metric = metrics[chosen.metric];
    const width = Math.floor(chart.clientWidth) - 2;
    const [spec, cut] = chosen.view === "lines" ? [lineChart(width), ""] : across(width);
    const kept = axes.map((axis, k) => [axis.name, chosen.held.get(k), k]).filter(([, code]) => code !== null)
      .map(([name, code, k]) => `${name} = ${axes[k].values[code]}`);
    says.textContent = `${metric.name} of ${points.length} of ${data.seeds.length} settings, intervals of ${Math.round(data.level * 100)} % over seeds`
      + `${kept.length ? `; held: ${kept.join(", ")}` : ""}${cut ? `; shown: ${cut}` : ""}`
      + `${nowhere ? `; ${nowhere} more have no ${axes[chosen.x].name}` : ""}.`;
    chart.setAttribute("aria-label", `Chart: ${says.textContent}`);
    if (view) view.finalize();
    view = null;
    const box = element("div", { "aria-hidden": "true" }); // the chart around it says in words what it shows
    chart.replaceChildren(box);
    if (!points.length) { says.append(" No setting has a value with these choices."); chart.dataset.drawn = mine; return; }
    const renderer = points.length > MOST_MARKS ? "canvas" : "svg";
    const made = await window.vegaEmbed(box, spec,
      { mode: "vega-lite", ast: true, actions: false, defaultStyle: false, renderer, tooltip: showTip, config: config() });
    if (mine !== drawing) { made.finalize(); return; }
    view = made.view;
    view.addEventListener("click", (_, item) => { if (item?.datum?.i !== undefined) pin(points.indexOf(item.datum.i)); });
    chart.dataset.drawn = mine;
  }

  function update() {
    updateHeld();
    const metric = metrics[chosen.metric];
    points = data.cells.map((_, i) => i).filter((i) => metric.value[i] !== null
      && [...chosen.held].every(([k, code]) => code === null || codes[k][i] === code));
    const all = points.length;
    if (chosen.view === "lines") points = points.filter((i) => placed(chosen.x, i));
    nowhere = all - points.length;
    tip.hidden = true;
    pin(0);
    draw();
  }

  root.querySelector(".without").remove();
  root.append(controls, held, says, chart, detail,
    element("div", { class: "tools" }, element("button", { type: "button", click: save }, "download these settings as CSV")), tip);
  let waiting = 0, width = 0;
  new ResizeObserver(() => {
    if (chart.clientWidth === width) return;
    width = chart.clientWidth;
    clearTimeout(waiting);
    waiting = setTimeout(draw, 150);
  }).observe(chart);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.querySelectorAll("a[data-metric]").forEach((link) => link.addEventListener("click", () => {
    const index = metrics.findIndex((metric) => metric.name === link.dataset.metric);
    if (index >= 0) { chosen.metric = index; controls.querySelectorAll("select")[1].value = String(index); update(); }
  }));
  update();
  width = chart.clientWidth;
}

const embedded = document.getElementById("explorer-data");
if (embedded) explorer(JSON.parse(embedded.textContent), JSON.parse(document.getElementById("explorer-charts").textContent));
