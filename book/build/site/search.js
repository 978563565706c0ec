// Every word of the question must stand in a section; those in its heading weigh more.
(() => {
  const box = document.getElementById("words"), list = document.getElementById("found");
  const count = document.getElementById("count"), most = 50;

  const weight = (row, words) => {
    const [title, heading, , text] = row.map((x) => x.toLowerCase());
    let sum = 0;
    for (const word of words) {
      const times = text.split(word).length - 1;
      const here = (title.includes(word) ? 30 : 0) + (title === word ? 60 : 0) + (heading.includes(word) ? 20 : 0) + Math.min(times, 10);
      if (!here) return 0;
      sum += here;
    }
    return sum;
  };

  const excerpt = (text, words) => {
    const at = Math.max(0, text.toLowerCase().indexOf(words[0]) - 60);
    return (at ? "…" : "") + text.slice(at, at + 200) + (text.length > at + 200 ? "…" : "");
  };

  const marked = (text, words) => {
    const span = document.createElement("span");
    const parts = text.split(new RegExp("(" + words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|") + ")", "i"));
    for (const [i, part] of parts.entries()) {
      const node = i % 2 ? document.createElement("mark") : document.createTextNode(part);
      if (i % 2) node.textContent = part;
      span.append(node);
    }
    return span;
  };

  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = words.length ? INDEX.map((row) => [weight(row, words), row]).filter(([n]) => n).sort((a, b) => b[0] - a[0]) : [];
    list.replaceChildren(...rows.slice(0, most).map(([, [title, heading, place, text]]) => {
      const item = document.createElement("li"), link = document.createElement("a"), p = document.createElement("p");
      link.href = place;
      link.textContent = heading && heading !== title ? `${title}: ${heading}` : title;
      p.append(marked(excerpt(text, words), words));
      item.append(link, p);
      return item;
    }));
    count.textContent = !words.length ? "" : rows.length > most ? `${rows.length} places, the best ${most} of them:` : rows.length === 1 ? "1 place" : `${rows.length} places`;
  };

  box.value = new URLSearchParams(location.search).get("q") || "";
  box.addEventListener("input", show);
  document.getElementById("ask").addEventListener("submit", (e) => { e.preventDefault(); show(); });
  show();
})();
