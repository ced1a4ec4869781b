// Keys in a table of values: Enter and the down arrow go to the row below, Shift+Enter and the up arrow to the row above;
// left and right leave a cell only from the end of its text. Tab keeps its meaning.
(() => {
  "use strict";
  const isField = (node) => node.matches?.(":is(table.entry, table.batch) :is(input, select)");

  const vertical = (field, step) => {
    const column = field.closest("td").cellIndex;
    let row = field.closest("tr");
    while ((row = step > 0 ? row.nextElementSibling : row.previousElementSibling)) {
      const next = row.cells[column]?.querySelector("input:enabled, select:enabled");
      if (next) return next;
    }
    return null;
  };

  const horizontal = (field, step) => {
    const fields = [...field.closest("tr").querySelectorAll("input:enabled, select:enabled")];
    const atEnd = step > 0 ? field.selectionEnd === field.value.length : field.selectionStart === 0;
    return field.tagName === "INPUT" && atEnd ? fields[fields.indexOf(field) + step] : null;
  };

  const target = (event) => {
    const field = event.target;
    // In a list of choices the arrows choose; only Enter moves on.
    const arrows = field.tagName === "INPUT";
    if (event.key === "Enter") return vertical(field, event.shiftKey ? -1 : 1);
    if (arrows && event.key === "ArrowDown") return vertical(field, 1);
    if (arrows && event.key === "ArrowUp") return vertical(field, -1);
    if (event.key === "ArrowRight") return horizontal(field, 1);
    if (event.key === "ArrowLeft") return horizontal(field, -1);
    return null;
  };

  document.addEventListener("keydown", (event) => {
    if (!isField(event.target) || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = target(event);
    // Enter in the last row must not send the whole form by accident: it leaves the field, so that the value is checked.
    if (event.key === "Enter") { event.preventDefault(); if (!next) event.target.blur(); }
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.select?.();
  });
})();
