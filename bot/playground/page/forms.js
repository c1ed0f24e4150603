// Forms (modal views): their input blocks as labelled fields, and what was typed into them.

import { element, renderBlocks } from "./blocks.js";

function optionNodes(part) {
  const groups = part.option_groups ?? [{ options: part.options ?? [] }];
  return groups.flatMap((group) => group.options.map((option) => {
    const node = element("option", { value: option.value }, option.text.text);
    node.selected = part.initial_option?.value === option.value;
    return node;
  }));
}

function control(block, context) {
  const part = block.element;
  const id = `field-${block.block_id}`;
  const common = { id, name: block.block_id, required: !block.optional, placeholder: part.placeholder?.text };
  if (part.type === "static_select") {
    const empty = part.initial_option && !block.optional ? [] : [element("option", { value: "" }, "Choose …")];
    return element("select", common, ...empty, ...optionNodes(part));
  }
  if (part.type === "users_select" || part.type === "conversations_select" || part.type === "channels_select") {
    const from = part.type === "users_select" ? context.users : context.channels;
    return element("select", common, ...from.map((one) => element("option", { value: one.id }, one.name)));
  }
  if (part.type === "plain_text_input" && part.multiline) {
    return element("textarea", { ...common, rows: 4 }, part.initial_value ?? "");
  }
  const kinds = { datepicker: "date", timepicker: "time", number_input: "text", email_text_input: "email" };
  const initial = part.initial_value ?? part.initial_option?.value ?? part.initial_date ?? part.initial_time;
  const input = element("input", { ...common, type: kinds[part.type] ?? "text", value: initial, autocomplete: "off" });
  if (part.type === "external_select") addTypeAhead(input, part, context);
  return input;
}

function addTypeAhead(input, part, context) {
  const list = element("datalist", { id: `${input.id}-options` });
  input.setAttribute("list", list.id);
  input.after(list);
  let timer = 0;
  const ask = () => {
    if (input.value.length < (part.min_query_length ?? 3)) return;
    context.suggest(part.action_id, input.value).then((options) => {
      list.replaceChildren(...options.map((option) => element("option", { value: option.value }, option.text.text)));
    });
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 250);
  });
  input.addEventListener("focus", ask);
  queueMicrotask(() => input.after(list));
}

function choices(block) {
  const part = block.element;
  const kind = part.type === "checkboxes" ? "checkbox" : "radio";
  const chosen = [part.initial_option, ...(part.initial_options ?? [])].filter(Boolean).map((one) => one.value);
  const boxes = part.options.map((option) => {
    const box = element("input", { type: kind, name: block.block_id, value: option.value });
    box.checked = chosen.includes(option.value);
    return element("label", {}, box, ` ${option.text.text}`, element("br"));
  });
  return element("fieldset", { class: "field" }, element("legend", {}, block.label.text), ...boxes);
}

function field(block, context) {
  if (block.element.type === "checkboxes" || block.element.type === "radio_buttons") return choices(block);
  const node = element("div", { class: "field" });
  node.append(element("label", { for: `field-${block.block_id}` }, block.label.text), control(block, context));
  if (block.hint) node.append(element("p", { class: "note" }, block.hint.text));
  return node;
}

// The blocks of a form; inputs become fields, the rest is shown as in a message.
export function renderForm(blocks, context) {
  return blocks.flatMap((block) => block.type === "input" ? [field(block, context)] : renderBlocks([block], context));
}

// What stands in the fields, by block_id; empty fields are left out.
export function typedValues(blocks, form) {
  const values = {};
  const data = new FormData(form);
  for (const block of blocks.filter((one) => one.type === "input")) {
    const all = data.getAll(block.block_id);
    if (block.element.type === "checkboxes") values[block.block_id] = all;
    else if (all.length && all[0] !== "") values[block.block_id] = all[0];
  }
  return values;
}
