// What a person is told when a request in the background fails. The sentences are translated in the page's template.
(() => {
  "use strict";
  const notice = () => document.getElementById("notice");
  const show = (sentence) => {
    const box = notice();
    if (!box) return;
    box.textContent = box.dataset[sentence];
    box.hidden = false;
  };
  const sentenceFor = (status) => (status >= 500 ? "failed" : status === 403 ? "forbidden" : status === 404 ? "missing" : null);

  document.addEventListener("htmx:response:error", (event) => {
    const sentence = sentenceFor(event.detail.ctx.response.status);
    if (sentence) show(sentence);
  });
  document.addEventListener("htmx:error", () => show("offline"));
  document.addEventListener("htmx:before:request", () => { const box = notice(); if (box) box.hidden = true; });

  // A session that has ended answers with the sign-in page: go there instead of showing it inside a table cell.
  document.addEventListener("htmx:before:response", (event) => {
    const response = event.detail.ctx.response.raw;
    const signIn = document.body.dataset.signIn;
    if (!signIn || !response.redirected || !new URL(response.url).pathname.startsWith(signIn)) return;
    event.preventDefault();
    location.assign(`${signIn}?next=${encodeURIComponent(location.pathname + location.search)}`);
  });

  // The navigation is longer than most screens: the page that is shown stands in sight.
  document.querySelector(".navigation [aria-current]")?.scrollIntoView({ block: "nearest" });
})();
