// Pages work without this. With it, parts marked data-refresh="SECONDS" stay current, and data-copy="ID" buttons copy.
"use strict";

const parts = () => [...document.querySelectorAll("[data-refresh][id]")];

function busy(part) {
  // Whoever stands in a part with the keyboard, or has marked text there, keeps it.
  const marked = document.getSelection();
  return part.contains(document.activeElement) || (marked && !marked.isCollapsed && part.contains(marked.anchorNode));
}

function swap(part, fresh) {
  if (!fresh || busy(part) || part.innerHTML === fresh.innerHTML) return;
  const scrolled = part.scrollLeft;
  part.replaceChildren(...fresh.childNodes);
  part.scrollLeft = scrolled;
}

async function refresh() {
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (answer.redirected) return location.assign(answer.url);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts()) swap(part, page.getElementById(part.id));
}

async function keepCurrent(milliseconds) {
  // While the platform is away the page stays as it was.
  if (!document.hidden) await refresh().catch(() => undefined);
  setTimeout(keepCurrent, milliseconds, milliseconds);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    document.getSelection().selectAllChildren(source);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => (button.textContent = label), 2000);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
document.querySelector("[aria-invalid]")?.focus();
// A page that is the answer to a form has no address to ask again.
const seconds = parts().map((part) => Number(part.dataset.refresh));
if (seconds.length && !document.querySelector("[aria-invalid]")) {
  setTimeout(keepCurrent, 1000 * Math.min(...seconds), 1000 * Math.min(...seconds));
}
