// The conversation of the place that is shown: messages with their threads and files, typed lines, errors.

import { element, mrkdwn, renderBlocks } from "./blocks.js";
import { messageMenu } from "./shortcuts.js";

const shown = new Map();

function face(name, isBot) {
  return element("span", { class: isBot ? "face bot" : "face", "aria-hidden": "true" }, name.slice(0, 1).toUpperCase());
}

function fileNode(file) {
  const address = `/page/files/${file.id}`;
  const picture = file.is_picture ? element("img", { src: address, alt: file.name }) : null;
  return element("p", { class: "file" }, element("a", { href: address, download: file.name }, `📄 ${file.name}`), picture);
}

function byline(item, name, context) {
  const time = new Date(Number(item.ts) * 1000);
  const when = element("time", { class: "note", datetime: time.toISOString() }, time.toLocaleTimeString(undefined, { timeStyle: "short" }));
  const app = item.user === context.bot ? element("span", { class: "app" }, "APP") : null;
  const edited = item.edits ? element("span", { class: "note" }, " (edited)") : null;
  return element("p", { class: "by" }, element("span", { class: "name" }, name), app, when, edited);
}

function messageNode(item, context) {
  const name = context.names[item.user] ?? item.user;
  const where = { channel: item.channel, ts: item.ts };
  const isReply = Boolean(item.thread_ts) && item.thread_ts !== item.ts;
  const body = item.blocks.length ? renderBlocks(item.blocks, context.blocksAt(where)) : [mrkdwn(item.text, context.names)];
  const box = element("div", { class: "body" }, byline(item, name, context), ...body, ...item.files.map(fileNode));
  if (item.ephemeral) box.prepend(element("p", { class: "note" }, "Only visible to you"));
  if (!item.ephemeral && !isReply) box.append(replyButton(item, context));
  if (!item.ephemeral) box.append(...messageMenu(context.shortcuts, (one) => context.choose(one, where)));
  const node = element("li", { class: "message" }, face(name, item.user === context.bot), box);
  node.classList.toggle("ephemeral", item.ephemeral);
  node.classList.toggle("reply", isReply);
  return node;
}

function replyButton(item, context) {
  const node = element("button", { type: "button", class: "reply-to", "data-action": `reply-${item.ts}` }, "Reply in thread");
  node.addEventListener("click", () => context.reply(item));
  return node;
}

function itemNode(item, context) {
  if (item.kind === "message") return messageNode(item, context);
  const who = context.names[item.user] ?? item.user;
  const text = item.kind === "error" ? item.text : `${who}: ${item.text}`;
  const node = element("li", { class: item.kind }, text);
  if (item.kind === "error") node.prepend(element("p", { class: "note" }, "Only visible to you"));
  return node;
}

function inReadingOrder(here) {
  const replies = (ts) => here.filter((item) => item.thread_ts === ts && item.ts !== ts);
  const tops = here.filter((item) => !item.thread_ts || item.thread_ts === item.ts);
  return tops.flatMap((item) => item.ts ? [item, ...replies(item.ts)] : [item]);
}

// Put a new node in an old one's place and keep the keyboard focus on the same button.
function replace(old, node) {
  if (!old) return node;
  const action = old.contains(document.activeElement) ? document.activeElement.dataset.action : null;
  old.replaceWith(node);
  if (action) node.querySelector(`[data-action="${CSS.escape(action)}"]`)?.focus();
  return node;
}

// `context` has `names`, `bot`, `shortcuts`, `blocksAt(where)`, `choose(shortcut, where)` and `reply(item)`.
export function showLog(log, list, here, context) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const items = inReadingOrder(here);
  const wanted = new Set(items.map((item) => item.key));
  for (const [key, old] of shown) {
    if (!wanted.has(key)) { old.node.remove(); shown.delete(key); }
  }
  items.forEach((item, index) => {
    const text = JSON.stringify(item);
    const old = shown.get(item.key);
    const node = old?.text === text ? old.node : replace(old?.node, itemNode(item, context));
    shown.set(item.key, { text, node });
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
  if (atEnd) log.scrollTop = log.scrollHeight;
}
