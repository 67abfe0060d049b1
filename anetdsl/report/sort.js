// A click on a heading sorts its table; a second click reverses the order.
"use strict";
function makeSortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const isNumber = table.classList.contains("n" + (column + 1));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const falling = before ? before === "ascending" : isNumber;
      const value = (row) => {
        const cell = row.cells[column];
        const text = cell.dataset.v ?? cell.textContent.trim();
        return isNumber ? parseFloat(text.replaceAll(",", "")) : text;
      };
      const rows = [...body.rows].map((row) => [value(row), row]);
      const isEmpty = (one) => one === "" || Number.isNaN(one);
      rows.sort(([a], [b]) => {
        if (isEmpty(a) || isEmpty(b)) return isEmpty(a) - isEmpty(b);
        const order = isNumber ? a - b : a.localeCompare(b, "en", { numeric: true });
        return falling ? -order : order;
      });
      body.append(...rows.map(([, row]) => row));
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    });
  });
}
document.querySelectorAll("table.sortable").forEach(makeSortable);
// Print the content of closed parts, except for long tables.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not(.long)")) part.open = true;
});
