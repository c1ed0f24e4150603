// The shortcuts of the app's manifest: in the menu beside the message box, and in each message's own menu.

import { element } from "./blocks.js";

export function shortcutButton(shortcut, choose) {
  const node = element("button", { type: "button", role: "menuitem", title: shortcut.description }, shortcut.name);
  node.addEventListener("click", () => choose(shortcut));
  return node;
}

export function messageMenu(offered, choose) {
  if (!offered.length) return [];
  const menu = element("span", { role: "menu", hidden: true });
  const pick = (shortcut) => { menu.hidden = true; choose(shortcut); };
  menu.append(...offered.map((one) => shortcutButton(one, pick)));
  const more = element("button", { type: "button", class: "reply-to", "aria-haspopup": "menu" }, "More actions");
  more.addEventListener("click", () => { menu.hidden = !menu.hidden; });
  return [more, menu];
}
