// Diagrams are drawn by mermaid, which is large: only pages that have one load it, and from
// here. If it were not there when the page is complete, the theme would load it from
// elsewhere; so it is written into the page.
if (document.querySelector("pre.mermaid")) {
  const source = new URL("mermaid.min.js", document.currentScript.src);
  document.write(`<script src="${source}"><\/script>`);
}

// What scrolls sideways can be scrolled with the keyboard, too, and the search says what
// it is. The theme does the first only where there is a mouse, and undoes it elsewhere.
document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
const reach = (entries) => {
  for (const { target } of entries) {
    const scrolls = target.scrollWidth > target.clientWidth;
    if (scrolls && target.tabIndex !== 0) target.tabIndex = 0;
    if (!scrolls) target.removeAttribute("tabindex");
  }
};
const resized = new ResizeObserver(reach);
const undone = new MutationObserver(reach);
// by then the theme has put a box around each table
addEventListener("load", () => {
  for (const box of document.querySelectorAll("pre > code, .md-typeset__scrollwrap")) {
    resized.observe(box);
    undone.observe(box, { attributeFilter: ["tabindex"] });
  }
});
