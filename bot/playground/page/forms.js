// Forms (modal views): their input blocks as labelled fields, and what was typed into them.

import { element, renderBlocks } from "./blocks.js";
import { typeAhead } from "./typeahead.js";

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
  const common = {
    id, name: block.block_id, required: !block.optional, placeholder: part.placeholder?.text,
    "aria-describedby": block.hint ? `${id}-hint` : null,
  };
  if (part.type === "static_select") {
    const empty = part.initial_option && !block.optional ? [] : [element("option", { value: "" }, "Choose …")];
    return element("select", common, ...empty, ...optionNodes(part));
  }
  if (part.type === "users_select" || part.type === "conversations_select" || part.type === "channels_select") {
    const from = part.type === "users_select" ? context.users : context.channels;
    const now = part.default_to_current_conversation ? context.current : undefined;
    const people = from.map((one) => element("option", { value: one.id, selected: one.id === now }, one.name));
    return element("select", common, element("option", { value: "" }, "Choose …"), ...people);
  }
  if (part.type === "external_select" || part.type === "multi_external_select") return typeAhead(part, common, context);
  if (part.type === "number_input") {
    const step = part.is_decimal_allowed ? "any" : "1";
    const span = { min: part.min_value, max: part.max_value, step, value: part.initial_value };
    return element("input", { ...common, ...span, type: "number", autocomplete: "off" });
  }
  if (part.type === "plain_text_input" && part.multiline) {
    return element("textarea", { ...common, rows: 4 }, part.initial_value ?? "");
  }
  const kinds = { datepicker: "date", timepicker: "time", email_text_input: "email" };
  const initial = part.initial_value ?? part.initial_option?.value ?? part.initial_date ?? part.initial_time;
  return element("input", { ...common, type: kinds[part.type] ?? "text", value: initial, autocomplete: "off" });
}

function choices(block) {
  const part = block.element;
  const kind = part.type === "checkboxes" ? "checkbox" : "radio";
  const chosen = [part.initial_option, ...(part.initial_options ?? [])].filter(Boolean).map((one) => one.value);
  const boxes = part.options.map((option) => {
    const box = element("input", { type: kind, name: block.block_id, value: option.value });
    box.checked = chosen.includes(option.value);
    const about = option.description ? element("span", { class: "note" }, ` ${option.description.text}`) : null;
    return element("label", {}, box, ` ${option.text.text}`, about, element("br"));
  });
  return element("fieldset", { class: "field" }, element("legend", {}, block.label.text), ...boxes);
}

function field(block, context) {
  const node = bareField(block, context);
  node.dataset.block = block.block_id;
  return node;
}

function bareField(block, context) {
  if (block.element.type === "checkboxes" || block.element.type === "radio_buttons") return choices(block);
  const node = element("div", { class: "field" });
  node.append(element("label", { for: `field-${block.block_id}` }, block.label.text), control(block, context));
  if (block.hint) node.append(element("p", { class: "note", id: `field-${block.block_id}-hint` }, block.hint.text));
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
    if (block.element.type === "checkboxes" || block.element.type.startsWith("multi_")) values[block.block_id] = all;
    else if (all.length && all[0] !== "") values[block.block_id] = all[0];
  }
  return values;
}

// What is wrong, said at each field; earlier complaints go.
export function showErrors(form, errors) {
  for (const old of form.querySelectorAll(".field-error")) old.remove();
  for (const [block, text] of Object.entries(errors)) {
    const field = form.querySelector(`[data-block="${CSS.escape(block)}"]`);
    field?.append(element("p", { role: "alert", class: "field-error" }, text));
  }
  form.querySelector(".field-error")?.closest(".field").querySelector("input:not([type=hidden]), select, textarea")?.focus();
}
