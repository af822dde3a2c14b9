// What tables and explorer share: elements, comma-separated text, the clipboard, files. Text from a run is only ever text.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function csvCell(text) {
  // A spreadsheet runs a cell that begins like a formula, so such text, unless it is a number, gets a quote in front.
  const safe = /^[=+@\t\r-]/.test(text) && Number.isNaN(Number(text)) && text !== "-" ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csvText(rows) {
  return rows.map((row) => row.map((value) => csvCell(String(value ?? ""))).join(",")).join("\n") + "\n";
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = element("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

async function copy(text, button) {
  const said = button.textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy"); // pages without the clipboard's permission
    area.remove();
  }
  button.textContent = done ? "copied" : "select and copy by hand";
  setTimeout(() => { button.textContent = said; }, 1500);
}
