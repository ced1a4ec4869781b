// The drawer beside a page: a link with hx-target="#drawer-body" fills it, and here it opens. Without this, the link leads
// to the same on a page of its own. Escape and the button close it (a dialog's own), and so does a click beside it.
(() => {
  "use strict";
  const drawer = () => document.getElementById("drawer");
  document.addEventListener("htmx:after:swap", () => {
    const box = drawer();
    if (box && !box.open && document.getElementById("drawer-body").childElementCount) box.showModal();
  });
  document.addEventListener("click", (event) => { if (event.target === drawer()) drawer().close(); });
  document.addEventListener("close", (event) => {
    if (event.target === drawer()) document.getElementById("drawer-body").replaceChildren();
  }, true);
})();
