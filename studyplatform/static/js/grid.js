// The grid of batch entry: paste a block, undo it, check cells as they are left, save once. The keys are entry-table.js's.
// Without this script the grid is a plain form. What is said stands translated in the form's data attributes.
(() => {
  "use strict";
  const form = document.getElementById("grid");
  if (!form) return;
  const words = form.dataset;
  const table = form.querySelector("table.batch");
  const status = document.getElementById("grid-status");
  const undo = document.getElementById("grid-undo");
  const save = form.querySelector("button[type=submit]");
  const QUIET = 400; // milliseconds without typing before cells are checked
  const NAMED = 5; // values that a message lists
  let leaving = false, saving = false, timer = 0, pastes = [];
  const waiting = new Set();

  const inputs = () => [...table.querySelectorAll("tbody input")];
  const isDirty = (input) => input.value.trim() !== (input.dataset.recorded ?? "");
  const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const say = (...sentences) => { status.textContent = sentences.filter(Boolean).join(" "); };
  const standing = () => {
    const dirty = inputs().filter(isDirty).length;
    const marked = table.querySelectorAll("td.error").length;
    return dirty ? fill(words.dirty, { count: dirty }) + (marked ? ` ${fill(words.marked, { count: marked })}` : "") : "";
  };

  const show = (input, finding) => {
    input.closest("td").className = finding?.state ?? "";
    document.getElementById(`n-${input.name}`).textContent = finding?.sentence ?? "";
    if (finding?.state === "error") input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };

  // Sends cells; null where nothing came back that can be read, and why it did not is said.
  const send = async (url, body, silence) => {
    let answer;
    try {
      answer = await fetch(url, { method: "POST", body, headers: { Accept: "application/json" }, redirect: "manual" });
    } catch {
      say(silence ?? words.offline);
      return null;
    }
    if (answer.type === "opaqueredirect") { say(words.signedOut); return null; }
    try {
      return { ok: answer.ok, said: await answer.json() };
    } catch {
      say(silence ?? words.failed);
      return null;
    }
  };

  const bodyOf = (list) => {
    const body = new URLSearchParams({ csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });
    for (const name of ["key", "reason"]) if (form.elements[name]) body.set(name, form.elements[name].value);
    list.forEach((input) => body.set(input.name, input.value));
    return body;
  };

  const check = async () => {
    const asked = [...waiting].map((input) => [input, input.value]);
    waiting.clear();
    const clean = asked.filter(([input]) => !isDirty(input));
    clean.forEach(([input]) => show(input, null));
    const dirty = asked.filter(([input]) => isDirty(input));
    if (!dirty.length) { say(standing()); return; }
    const answer = await send(words.check, bodyOf(dirty.map(([input]) => input)), words.unchecked);
    if (!answer || saving) return;
    if (!answer.ok) { say(answer.said.sentence ?? words.unchecked); return; }
    // What was typed on since is checked again, not judged by the answer for what stood there before.
    dirty.forEach(([input, value]) => { if (input.value === value) show(input, answer.said.cells[input.name]); });
    say(status.dataset.pasted, standing());
    delete status.dataset.pasted;
  };
  const checkSoon = (list) => {
    list.forEach((input) => waiting.add(input));
    clearTimeout(timer);
    timer = setTimeout(check, QUIET);
  };

  // Rows and columns of a block that a spreadsheet put on the clipboard; cells that hold a tab or a line break are quoted.
  const blockOf = (text) => {
    const rows = [[""]];
    let quoted = false;
    const source = text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
    for (let at = 0; at < source.length; at += 1) {
      const line = rows.at(-1), sign = source[at], cell = line.at(-1);
      if (quoted) {
        if (sign !== '"') line[line.length - 1] += sign;
        else if (source[at + 1] === '"') { line[line.length - 1] += sign; at += 1; }
        else quoted = false;
      } else if (sign === '"' && cell === "" && source.indexOf('"', at + 1) > 0) quoted = true;
      else if (sign === "\t") line.push("");
      else if (sign === "\n") rows.push([""]);
      else line[line.length - 1] += sign;
    }
    return rows.map((line) => line.map((cell) => cell.replace(/\s+/g, " ").trim()));
  };

  const listed = (values) => {
    const shown = values.slice(0, NAMED).join(", ");
    return values.length > NAMED ? `${shown} ${fill(words.more, { count: values.length - NAMED })}` : shown;
  };

  const paste = (event) => {
    const start = event.target;
    if (!start.matches?.("table.batch input")) return;
    const block = blockOf(event.clipboardData.getData("text/plain"));
    if (block.length === 1 && block[0].length === 1) return; // one value goes into the text, as anywhere
    event.preventDefault();
    const rows = [...table.tBodies[0].rows];
    const top = rows.indexOf(start.closest("tr")), left = start.closest("td").cellIndex;
    const before = [], lost = [], taken = [];
    block.forEach((line, down) => line.forEach((value, along) => {
      if (value === "") return; // a blank cell of the block leaves what stands there
      const cell = rows[top + down]?.cells[left + along];
      const input = cell?.querySelector("input");
      if (!cell) lost.push(value);
      else if (!input) taken.push(value);
      else { before.push([input, input.value]); input.value = value; }
    }));
    pastes.push(before);
    undo.hidden = false;
    const count = before.length;
    const said = [
      fill(words.pasted, { count }),
      lost.length && fill(words.lost, { count: lost.length, values: listed(lost) }),
      taken.length && fill(words.taken, { count: taken.length, values: listed(taken) }),
    ].filter(Boolean).join(" ");
    status.dataset.pasted = said;
    say(said);
    checkSoon(before.map(([input]) => input));
  };

  const undoPaste = () => {
    const before = pastes.pop() ?? [];
    before.forEach(([input, value]) => { input.value = value; show(input, null); });
    undo.hidden = !pastes.length;
    status.dataset.pasted = words.undone;
    say(words.undone);
    checkSoon(before.map(([input]) => input));
    before[0]?.[0].focus();
  };

  const submit = async (event) => {
    event.preventDefault();
    if (saving) return;
    saving = true;
    save.disabled = true;
    say(words.saving);
    const answer = await send(form.action, bodyOf(inputs()));
    saving = false;
    save.disabled = false;
    if (!answer) return;
    if (answer.ok) { leaving = true; location.assign(answer.said.url); return; }
    inputs().forEach((input) => show(input, answer.said.cells?.[input.name]));
    say(answer.said.sentence ?? words.failed);
    table.querySelector("[aria-invalid]")?.focus();
  };

  document.addEventListener("paste", paste);
  table.addEventListener("change", (event) => checkSoon([event.target]));
  table.addEventListener("keydown", (event) => {
    const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
    // Only straight after a paste: what was typed since is the browser's own to undo.
    if (isUndo && pastes.at(-1)?.some(([input]) => input === event.target) && status.dataset.typed !== "yes") {
      event.preventDefault();
      undoPaste();
    }
  });
  table.addEventListener("input", () => { status.dataset.typed = "yes"; });
  document.addEventListener("paste", () => { status.dataset.typed = ""; });
  undo.addEventListener("click", undoPaste);
  form.addEventListener("submit", submit);
  addEventListener("beforeunload", (event) => { if (!leaving && inputs().some(isDirty)) event.preventDefault(); });
})();
