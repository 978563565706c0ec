// Light or dark as the system says, until the button says otherwise; kept where the browser allows.
(() => {
  const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const keep = (value) => { try { localStorage.setItem("theme", value); } catch { /* a file:// page may not */ } };
  const root = document.documentElement;
  if (kept()) root.dataset.theme = kept();
  document.addEventListener("DOMContentLoaded", () => {
    if (matchMedia("(max-width: 60rem)").matches) document.querySelector("details.contents").open = false;
    document.getElementById("theme").addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      keep(root.dataset.theme);
    });
  });
})();
