// A file dropped on the frame around a file field is chosen in it. Without this script the field works as it is.
(() => {
  "use strict";
  for (const frame of document.querySelectorAll("[data-file-drop]")) {
    const field = frame.querySelector("input[type=file]");
    const hint = frame.querySelector("[data-file-drop-hint]");
    if (!field) continue;
    if (hint) hint.hidden = false;
    const lit = (on) => frame.classList.toggle("ready", on);
    frame.addEventListener("dragover", (event) => { event.preventDefault(); lit(true); });
    frame.addEventListener("dragleave", () => lit(false));
    frame.addEventListener("drop", (event) => {
      event.preventDefault();
      lit(false);
      if (event.dataTransfer.files.length) field.files = event.dataTransfer.files;
    });
  }
})();
