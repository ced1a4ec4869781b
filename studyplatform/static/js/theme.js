// Loaded in <head> without defer: the stored theme must be known before the first paint.
(() => {
  "use strict";
  const root = document.documentElement;
  const apply = (theme) => (theme ? (root.dataset.theme = theme) : delete root.dataset.theme);
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* private window: this page only */ } };
  const isDark = () => getComputedStyle(root).colorScheme === "dark" ||
    (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);

  apply(stored());
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-toggle]");
    if (!button) return;
    const theme = isDark() ? "light" : "dark";
    apply(theme);
    store(theme);
  });
})();
