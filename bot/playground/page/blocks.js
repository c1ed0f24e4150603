// Block Kit and mrkdwn as DOM nodes. Foreign text only ever becomes text nodes.

const EMOJI = {
  white_check_mark: "✅", x: "❌", warning: "⚠️", hourglass_flowing_sand: "⏳", hourglass: "⌛", lock: "🔒",
  information_source: "ℹ️", arrows_counterclockwise: "🔄", package: "📦", floppy_disk: "💾", rocket: "🚀",
  no_entry: "⛔", clock1: "🕐", whale: "🐳", eyes: "👀", tada: "🎉", pause_button: "⏸️", large_green_circle: "🟢",
  red_circle: "🔴", large_yellow_circle: "🟡", bell: "🔔", camera: "📷", mag: "🔍", wastebasket: "🗑️",
};

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Wide tables scroll sideways, and those that do can be reached by keyboard.
const widths = new ResizeObserver((seen) => seen.forEach(({ target }) => {
  if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
  else target.removeAttribute("tabindex");
}));

function preformatted(...children) {
  const node = element("pre", {}, ...children);
  widths.observe(node);
  return node;
}

function unescape(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function emojis(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] ?? whole);
}

function pad(number) {
  return String(number).padStart(2, "0");
}

const DATE_FORMS = {
  date_num: (d) => `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`,
  date_slash: (d) => d.toLocaleDateString(),
  date_short: (d) => d.toLocaleDateString(undefined, { dateStyle: "medium" }),
  date_long: (d) => d.toLocaleDateString(undefined, { dateStyle: "full" }),
  date_long_full: (d) => d.toLocaleDateString(undefined, { dateStyle: "full" }),
  date: (d) => d.toLocaleDateString(undefined, { dateStyle: "long" }),
  time: (d) => d.toLocaleTimeString(undefined, { timeStyle: "short" }),
  time_secs: (d) => d.toLocaleTimeString(undefined, { timeStyle: "medium" }),
  ago: (d) => ago((Date.now() - d.getTime()) / 1000),
};

function ago(seconds) {
  const past = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return past.format(-Math.round(seconds / size), unit);
  }
  return past.format(-Math.round(seconds), "second");
}

function dateNode(inside) {
  const [spec, fallback = ""] = inside.split("|");
  const [, stamp, form = ""] = spec.split("^");
  const date = new Date(Number(stamp) * 1000);
  if (Number.isNaN(date.getTime())) return document.createTextNode(unescape(fallback));
  const shown = form.replace(/\{([a-z_]+)\}/g, (whole, token) => {
    const make = DATE_FORMS[token] ?? DATE_FORMS[token.replace("_pretty", "")];
    return make ? make(date) : whole;
  });
  return element("time", { datetime: date.toISOString(), title: unescape(fallback) }, shown);
}

function reference(inside, names) {
  const [target, label] = inside.split("|");
  if (target.startsWith("!date^")) return dateNode(inside);
  if (target.startsWith("@")) return mention(`@${names[target.slice(1)] ?? label ?? target.slice(1)}`);
  if (target.startsWith("#")) return mention(`#${names[target.slice(1)] ?? label ?? target.slice(1)}`);
  if (target.startsWith("!")) return mention(`@${target.slice(1).split("^")[0]}`);
  if (/^(https?:|mailto:)/.test(target)) return link(unescape(target), unescape(label ?? target));
  return document.createTextNode(unescape(`<${inside}>`));
}

function mention(text) {
  return element("span", { class: "mention" }, text);
}

function link(url, text) {
  return element("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, text);
}

const INLINE = /`([^`\n]+)`|<([^<>\n]+)>|(?<![\w*])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\w*])|(?<![\w_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\w_])|(?<![\w~])~(?!\s)([^~\n]+?)(?<!\s)~(?![\w~])/g;

function inline(text, names) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > end) nodes.push(emojis(unescape(text.slice(end, found.index))));
    const [whole, code, inside, bold, italic, struck] = found;
    if (code !== undefined) nodes.push(element("code", {}, unescape(code)));
    else if (inside !== undefined) nodes.push(reference(inside, names));
    else if (bold !== undefined) nodes.push(element("strong", {}, ...inline(bold, names)));
    else if (italic !== undefined) nodes.push(element("em", {}, ...inline(italic, names)));
    else nodes.push(element("s", {}, ...inline(struck, names)));
    end = found.index + whole.length;
  }
  if (end < text.length) nodes.push(emojis(unescape(text.slice(end))));
  return nodes;
}

export function mrkdwn(text, names) {
  const box = element("div");
  text.split("```").forEach((part, index, parts) => {
    if (index % 2 === 1 && index < parts.length - 1) {
      box.append(preformatted(unescape(part.replace(/^\n/, ""))));
      return;
    }
    const lines = (index % 2 === 1 ? "```" + part : part).split("\n");
    lines.forEach((line, number) => {
      if (line.startsWith("&gt;")) box.append(element("blockquote", {}, ...inline(line.slice(4).trim(), names)));
      else box.append(...inline(line, names), ...(number < lines.length - 1 ? [element("br")] : []));
    });
  });
  return box;
}

export function textNode(object, names) {
  if (object.type === "mrkdwn") return mrkdwn(object.text, names);
  return element("span", {}, emojis(object.text));
}

function leaf(part, names) {
  switch (part.type) {
    case "text": return styled(part.text, part.style ?? {});
    case "link": return link(part.url, part.text ?? part.url);
    case "user": return mention(`@${names[part.user_id] ?? part.user_id}`);
    case "channel": return mention(`#${names[part.channel_id] ?? part.channel_id}`);
    case "usergroup": return mention(`@${part.usergroup_id}`);
    case "broadcast": return mention(`@${part.range}`);
    case "emoji": return document.createTextNode(EMOJI[part.name] ?? `:${part.name}:`);
    case "date": return dateNode(`!date^${part.timestamp}^${part.format}|${part.fallback ?? ""}`);
    default: return document.createTextNode("");
  }
}

function styled(text, style) {
  let node = document.createTextNode(text);
  if (style.code) node = element("code", {}, node);
  if (style.bold) node = element("strong", {}, node);
  if (style.italic) node = element("em", {}, node);
  if (style.strike) node = element("s", {}, node);
  return node;
}

function rich(part, names) {
  if (part.type === "rich_text_list") {
    const items = part.elements.map((item) => element("li", {}, rich(item, names)));
    return element(part.style === "ordered" ? "ol" : "ul", {}, ...items);
  }
  const leaves = part.elements.map((one) => leaf(one, names));
  if (part.type === "rich_text_preformatted") return preformatted(...leaves);
  return element(part.type === "rich_text_quote" ? "blockquote" : "div", {}, ...leaves);
}

function image(block) {
  const file = block.slack_file?.id;
  const title = block.title ? element("figcaption", {}, block.title.text) : null;
  if (file) return element("figure", {}, title, element("img", { src: `/page/files/${file}`, alt: block.alt_text }));
  return element("figure", {}, title, element("span", { class: "note" }, `Picture: ${block.alt_text}`));
}

function button(part, context) {
  const node = element("button", {
    type: "button",
    class: part.style,
    "data-action": part.action_id,
    "aria-label": part.accessibility_label,
  }, emojis(part.text.text));
  node.addEventListener("click", () => context.press(part, node));
  return node;
}

function interactive(part, context) {
  if (part.type === "button") return button(part, context);
  if (part.type === "image") return image(part);
  return element("span", { class: "note" }, `[${part.type}]`);
}

const BLOCKS = {
  header: (block) => element("div", { role: "heading", "aria-level": "3" }, emojis(block.text.text)),
  divider: () => element("hr"),
  image,
  markdown: (block) => preformatted(block.text),
  context: (block, context) => element("div", {}, ...block.elements.map((part) =>
    part.type === "image" ? element("span", {}, `Picture: ${part.alt_text}`) : textNode(part, context.names))),
  actions: (block, context) => element("div", {}, ...block.elements.map((part) => interactive(part, context))),
  rich_text: (block, context) => element("div", {}, ...block.elements.map((part) => rich(part, context.names))),
  section: (block, context) => {
    const words = element("div", {}, block.text ? textNode(block.text, context.names) : null);
    if (block.fields) {
      const fields = block.fields.map((field) => element("div", {}, textNode(field, context.names)));
      words.append(element("div", { class: "fields" }, ...fields));
    }
    return element("div", {}, words, block.accessory ? interactive(block.accessory, context) : null);
  },
};

// `context` has `names` (display names by id) and `press(action, node)`.
export function renderBlocks(blocks, context) {
  return blocks.filter((block) => BLOCKS[block.type]).map((block) => {
    const node = BLOCKS[block.type](block, context);
    node.classList.add("block", block.type);
    return node;
  });
}
