// Tables that sort by a click on a heading, filter by words, and can be copied or downloaded as they are shown.

function leadingNumber(text) {
  const found = /^\s*([+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)/i.exec(text);
  return found ? Number(found[1].replaceAll(",", "")) : NaN;
}

function compareCells(a, b) {
  const [left, right] = [leadingNumber(a), leadingNumber(b)];
  if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  if (Number.isNaN(left) !== Number.isNaN(right)) return Number.isNaN(left) ? 1 : -1; // what is no number comes last
  return a.localeCompare(b, "en", { numeric: true });
}

function setUpTable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  const names = headings.map((cell) => cell.textContent.trim());
  const cells = (row) => [...row.cells].map((cell) => cell.innerText.trim().replace(/\s+/g, " "));
  const shown = () => [...body.rows].filter((row) => !row.hidden);
  const counted = element("span", { role: "status" });
  const filter = element("input", { type: "search", input: applyFilter });

  function applyFilter() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    counted.textContent = `${shown().length} of ${rows.length} rows`;
  }

  function sortBy(index) {
    const direction = headings[index].getAttribute("aria-sort") === "ascending" ? -1 : 1;
    headings.forEach((cell) => cell.removeAttribute("aria-sort"));
    headings[index].setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    const text = (row) => row.cells[index].textContent.trim();
    body.append(...[...rows].sort((a, b) => {
      const order = compareCells(text(a), text(b));
      const missing = Number.isNaN(leadingNumber(text(a))) !== Number.isNaN(leadingNumber(text(b)));
      return missing ? order : direction * order;
    }));
  }

  headings.forEach((cell, index) => {
    cell.replaceChildren(element("button", { type: "button", class: "sort", click: () => sortBy(index) }, ...cell.childNodes));
  });
  const text = (separator) => [names, ...shown().map(cells)].map((row) => row.join(separator)).join("\n");
  const tools = element("div", { class: "tools" },
    element("label", {}, "filter ", filter),
    element("button", { type: "button", click: (event) => copy(text("\t"), event.currentTarget) }, "copy"),
    element("button", { type: "button", click: () => download(table.dataset.file, csvText([names, ...shown().map(cells)])) },
      "download as CSV"),
    counted);
  table.closest(".wide").before(tools);
  applyFilter();
}

document.querySelectorAll("table[data-file]").forEach(setUpTable);
