// The list of slash commands above the message box while one types, and the hint of the one that was typed.
// Both come from the app's manifest, as in Slack. Enter sends what is typed unless an entry is chosen.

import { element } from "./blocks.js";

export function pickCommands(input, list, hint, commands) {
  const items = () => [...list.querySelectorAll("[role=option]")];
  const active = () => items().find((item) => item.getAttribute("aria-selected") === "true");

  function close() {
    list.hidden = true;
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function choose(command) {
    input.value = `${command} `;
    show();
    input.focus();
  }

  function offered(one) {
    const [name, words] = [element("strong", {}, one.command), element("span", { class: "usage" }, one.usage_hint)];
    const about = element("span", { class: "note about" }, one.description);
    const item = element("li", { role: "option", id: `command-${one.command.slice(1)}`, "aria-selected": "false" }, name, words, about);
    item.choose = () => choose(one.command);
    item.addEventListener("pointerdown", (event) => { event.preventDefault(); item.choose(); });
    return item;
  }

  function show() {
    const text = input.value;
    const known = commands();
    const found = /^\/[a-z-]*$/.test(text) ? known.filter((one) => one.command.startsWith(text)) : [];
    const typed = text.includes(" ") ? known.find((one) => one.command === text.split(" ")[0]) : undefined;
    hint.hidden = !typed?.usage_hint.trim();
    hint.textContent = typed ? `${typed.command} ${typed.usage_hint}` : "";
    if (!found.length) { close(); return; }
    list.replaceChildren(...found.map(offered));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
  }

  function move(step) {
    const all = items();
    const at = all.indexOf(active());
    const next = all[at < 0 && step < 0 ? all.length - 1 : (at + step + all.length) % all.length];
    all.forEach((item) => item.setAttribute("aria-selected", String(item === next)));
    input.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", show);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden || event.isComposing) return;
    const keys = {
      ArrowDown: () => move(1),
      ArrowUp: () => move(-1),
      Escape: close,
      Enter: active() && (() => active().choose()),
      Tab: !event.shiftKey && (() => (active() ?? items()[0]).choose()),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  return show;
}
