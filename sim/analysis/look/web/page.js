"use strict";
// Tables: a click on a heading sorts, a click on CSV saves. One listener serves also the tables that are made later.

function valueOf(cell) {
  if (cell.dataset.key === undefined) return cell.textContent;
  return cell.dataset.key === "" ? null : Number(cell.dataset.key);
}

function sort(head) {
  const table = head.closest("table"), heads = [...head.parentElement.cells], column = heads.indexOf(head);
  const down = head.getAttribute("aria-sort") !== "descending";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const x = valueOf(a.cells[column]), y = valueOf(b.cells[column]);
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "number" ? Math.sign(x - y) || 0 : x.localeCompare(y, undefined, { numeric: true });
    return down ? -order : order;
  });
  table.tBodies[0].append(...rows);
}

// A number in full, not as it is shown; its interval, which is small print, in a column of its own.
function csvOf(table) {
  const rows = [...table.tBodies[0].rows], heads = [...table.tHead.rows[0].cells].map(head => head.textContent.trim());
  const small = heads.map((_, column) => rows.some(row => row.cells[column].querySelector("small")));
  const lines = [heads.flatMap((head, column) => small[column] ? [head, `${head}, 95 % interval`] : [head])];
  for (const row of rows) lines.push([...row.cells].flatMap((cell, column) => {
    const key = valueOf(cell), text = key === null ? "" : String(key);
    return small[column] ? [text, cell.querySelector("small")?.textContent ?? ""] : [text];
  }));
  return csvText(lines);
}

function csvText(lines) {
  const quoted = cell => /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
  return lines.map(cells => cells.map(quoted).join(",") + "\r\n").join("");
}

function save(text, kind, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function fileName(element, end) {
  const title = element.closest("section")?.querySelector("h2")?.textContent ?? document.title;
  return title.toLowerCase().match(/[a-z0-9]+/g).join("-") + end;
}

document.addEventListener("click", event => {
  const head = event.target.closest("th");
  if (head) sort(head);
  if (event.target.closest("button.csv")) {
    const table = event.target.closest(".wide").querySelector("table");
    save(csvOf(table), "text/csv", fileName(table, ".csv"));
  }
});
