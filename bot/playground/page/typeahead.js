// A field whose options the bot gives while one types (external selects): a combobox with a list below it.
// What is chosen stands in hidden inputs under the field's name; only what was offered can be chosen.

import { element } from "./blocks.js";

const PAUSE_MS = 150;

export function typeAhead(part, common, context) {
  const isMulti = part.type === "multi_external_select";
  const { name, required, ...shown } = common;
  const listId = `${common.id}-list`;
  const input = element("input", {
    ...shown, type: "text", role: "combobox", autocomplete: "off", "aria-autocomplete": "list",
    "aria-expanded": "false", "aria-controls": listId,
  });
  const list = element("ul", { role: "listbox", id: listId, class: "offers", hidden: true });
  const kept = element("span", { class: "chosen" });
  const node = element("div", { class: "type-ahead" }, kept, input, list);
  let chosen = part.initial_options ?? (part.initial_option ? [part.initial_option] : []);
  let asked = 0;
  let timer = 0;

  const labelOfChosen = () => (isMulti ? "" : chosen[0]?.text.text ?? "");

  function show() {
    kept.replaceChildren(...chosen.flatMap((option) => {
      const hidden = element("input", { type: "hidden", name, value: option.value });
      if (!isMulti) return [hidden];
      const chip = element("button", { type: "button", "aria-label": `Remove ${option.text.text}` }, `${option.text.text} ✕`);
      chip.addEventListener("click", () => { chosen = chosen.filter((one) => one !== option); show(); });
      return [hidden, chip];
    }));
    settle();
  }

  // Letters that were not chosen go; the chosen ones stay as they are, for somebody may be pressing one.
  function settle() {
    input.value = labelOfChosen();
    input.setCustomValidity(required && !chosen.length ? "Choose one of those that are offered." : "");
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function choose(option) {
    chosen = isMulti ? [...chosen.filter((one) => one.value !== option.value), option] : [option];
    asked += 1;
    show();
    close();
  }

  function offer(options) {
    const items = options.map((option, index) => {
      const about = option.description ? element("span", { class: "note" }, ` ${option.description.text}`) : null;
      const item = element("li", { role: "option", id: `${listId}-${index}`, "aria-selected": "false" }, option.text.text, about);
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(option); });
      item.choose = () => choose(option);
      return item;
    });
    list.replaceChildren(...(items.length ? items : [element("li", { class: "note" }, "No results")]));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  async function ask() {
    const letters = input.value === labelOfChosen() ? "" : input.value;
    if (letters.length < (part.min_query_length ?? 3)) return;
    const mine = (asked += 1);
    const options = await context.suggest(part.action_id, letters);
    if (mine === asked && document.activeElement === input) offer(options);
  }

  function move(step) {
    const items = [...list.querySelectorAll("[role=option]")];
    const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
    const next = items[(at + step + items.length) % items.length];
    items.forEach((item) => item.setAttribute("aria-selected", String(item === next)));
    if (next) input.setAttribute("aria-activedescendant", next.id);
    next?.scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", () => {
    if (!isMulti) { chosen = []; kept.replaceChildren(); input.setCustomValidity(required ? "Choose one of those that are offered." : ""); }
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  });
  input.addEventListener("click", ask);
  input.addEventListener("blur", () => { clearTimeout(timer); close(); settle(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") clearTimeout(timer);
    const active = list.querySelector("[aria-selected=true]");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) ask(); else move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && !list.hidden && active) {
      event.preventDefault();
      active.choose();
    }
  });
  show();
  return node;
}
