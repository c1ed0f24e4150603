// The chat page: asks for the state, shows what changed, sends what is typed and pressed.

import { element, renderBlocks, textNode } from "./blocks.js";
import { renderForm, showErrors, typedValues } from "./forms.js";
import { showLog } from "./log.js";
import { pickCommands } from "./picker.js";
import { shortcutButton } from "./shortcuts.js";

const POLL_MS = 400;
const $ = (id) => document.getElementById(id);
const view = {
  version: -1, asked: 0, answered: 0, user: "U0ANN", channel: "C0OPS", thread: null, state: null, modal: null, file: null,
};

async function send(door, body) {
  let problem = null;
  let answer = {};
  try {
    const reply = await fetch(`/page/${door}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user: view.user, ...body }),
    });
    answer = await reply.json();
    problem = answer.error;
  } catch {
    problem = "The playground does not answer. Start it again, then reload this page.";
  }
  complain($("modal").open ? "modal-problem" : "problem", problem);
  refresh();
  return answer;
}

function complain(id, text) {
  $(id).hidden = !text;
  $(id).textContent = text ?? "";
}

function names() {
  const all = [...view.state.users, ...view.state.channels];
  return Object.fromEntries(all.map((one) => [one.id, one.name]));
}

function confirmed(dialog) {
  $("confirm-title").textContent = dialog.title.text;
  $("confirm-text").replaceChildren(textNode(dialog.text, names()));
  $("confirm-yes").textContent = dialog.confirm.text;
  $("confirm-deny").textContent = dialog.deny.text;
  $("confirm-yes").className = dialog.style ?? "primary";
  return new Promise((resolve) => {
    const finish = (answer) => () => { $("confirm").close(); resolve(answer); };
    $("confirm-yes").onclick = finish(true);
    $("confirm-deny").onclick = finish(false);
    $("confirm").oncancel = finish(false);
    $("confirm").showModal();
    $("confirm-deny").focus();
  });
}

function contextFor(where) {
  return {
    names: names(),
    press: async (action, node) => {
      if (action.confirm && !(await confirmed(action.confirm))) return;
      if (action.url) window.open(action.url, "_blank", "noopener");
      node.disabled = true;
      await send("press", { ...where, action_id: action.action_id });
      node.disabled = false;
    },
  };
}

function shortcutsOf(type) {
  return view.state.shortcuts.filter((one) => one.type === type);
}

function choose(shortcut, where) {
  $("shortcuts").hidden = true;
  send("shortcut", { callback_id: shortcut.callback_id, ...where });
}

function reply(item) {
  view.thread = item.ts;
  $("thread").textContent = item.text.slice(0, 60) || "this message";
  $("replying").hidden = false;
  $("words").focus();
}

function showMessages() {
  const context = {
    names: names(), bot: view.state.bot, shortcuts: shortcutsOf("message"), blocksAt: contextFor, choose, reply,
  };
  showLog($("log"), $("messages"), view.state.items.filter((item) => item.channel === view.channel), context);
}

// Whoever sits down now sees their own direct message, and nobody else's.
function comeHome() {
  const isMine = view.state.channels.some((channel) => channel.id === view.channel);
  if (!isMine) view.channel = (view.state.channels.find((channel) => channel.is_im) ?? view.state.channels[0]).id;
}

function showPlaces() {
  comeHome();
  const channels = view.state.channels.toSorted((one, two) => one.is_im - two.is_im).map((channel) => {
    const label = channel.is_im ? "Direct message" : `# ${channel.name}`;
    const node = element("button", { type: "button", "aria-current": String(channel.id === view.channel && !view.atHome) }, label);
    node.addEventListener("click", () => {
      view.channel = channel.id;
      view.atHome = false;
      leaveThread();
      show();
      $("words").focus();
    });
    return element("li", {}, node);
  });
  redraw($("channels"), channels, JSON.stringify([view.state.channels, view.channel, view.atHome]));
  const here = view.state.channels.find((channel) => channel.id === view.channel);
  $("place").textContent = here?.is_im ? "Direct message with the bot" : `# ${here?.name ?? ""}`;
  const people = view.state.users.filter((user) => user.id !== view.state.bot);
  const options = people.map((user) => element("option", { value: user.id }, user.name));
  redraw($("who"), options, JSON.stringify(people));
  $("who").value = view.user;
}

// Redraw a list only when what it shows has changed, so that focus and open menus survive.
function redraw(list, nodes, text) {
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...nodes);
}

function showModal() {
  const modal = view.state.modal;
  const stamp = modal ? `${modal.id} ${modal.hash}` : null;
  if (stamp === view.modal) return;
  view.modal = stamp;
  if (!modal) { $("modal").close(); return; }
  $("modal-title").textContent = modal.title.text;
  $("modal-submit").hidden = !modal.submit;
  $("modal-submit").textContent = modal.submit?.text ?? "Submit";
  $("modal-close").textContent = modal.close?.text ?? "Cancel";
  complain("modal-problem", null);
  const context = {
    ...contextFor({ view_id: modal.id }),
    users: view.state.users,
    channels: view.state.channels.filter((one) => !one.is_im),
    current: view.channel,
  };
  context.suggest = (action, letters) => suggestions(modal.id, action, letters);
  $("modal-blocks").replaceChildren(...renderForm(modal.blocks, context));
  if (!$("modal").open) $("modal").showModal();
  $("modal-blocks").querySelector("input, select, textarea")?.focus();
}

async function suggestions(viewId, action, letters) {
  const values = typedValues(view.state.modal.blocks, $("modal-form"));
  const { delivery } = await send("suggest", { view_id: viewId, action_id: action, letters, values });
  const answer = delivery ? await ackOf(delivery) : null;
  return answer?.options ?? (answer?.option_groups ?? []).flatMap((group) => group.options);
}

async function ackOf(delivery) {
  const reply = await fetch(`/page/ack?delivery=${encodeURIComponent(delivery)}`);
  return (await reply.json()).payload;
}

function showHome() {
  const home = view.state.home;
  $("home-view").hidden = !home || !view.atHome;
  $("log").hidden = Boolean(view.atHome);
  $("composer").hidden = Boolean(view.atHome);
  $("home").setAttribute("aria-current", String(Boolean(view.atHome)));
  if (view.atHome) $("place").textContent = "Bot’s Home";
  if (home && view.atHome && $("home-view").dataset.hash !== home.hash) {
    $("home-view").dataset.hash = home.hash;
    $("home-view").replaceChildren(...renderBlocks(home.blocks, contextFor({ view_id: home.id })));
  }
}

function show() {
  $("connection").textContent = view.state.connected ? "bot connected" : "waiting for the bot";
  $("connection").className = view.state.connected ? "connected" : "waiting";
  showPlaces();
  showMessages();
  showHome();
  showModal();
  $("shortcuts-open").hidden = !shortcutsOf("global").length;
}

// Several may be under way: one that comes late must not bring back what was before, and take a form away.
async function refresh() {
  const wanted = view.user;
  const mine = (view.asked += 1);
  try {
    const reply = await fetch(`/page/state?user=${encodeURIComponent(wanted)}&after=${view.version}`);
    const state = await reply.json();
    if (mine < view.answered) return;
    view.answered = mine;
    if (state.items && wanted === view.user) {
      view.version = state.version;
      view.state = state;
      show();
    }
  } catch {
    $("connection").textContent = "playground stopped";
    $("connection").className = "waiting";
    view.version = -1;
  }
}

function attach(file) {
  view.file = file;
  $("attached").hidden = !file;
  $("attached-name").textContent = file?.name ?? "";
  $("file").value = "";
  if (file) $("words").focus();
}

function asUpload(file) {
  if (!file) return null;
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ name: file.name, content: reader.result.split(",")[1] ?? "" });
    reader.readAsDataURL(file);
  });
}

function leaveThread() {
  view.thread = null;
  $("replying").hidden = true;
}

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("words").value;
  if (!text.trim() && !view.file) return;
  const answer = await send("type", { text, channel: view.channel, thread_ts: view.thread, file: view.file });
  if (answer.error) return;
  $("words").value = "";
  hintAtCommands();
  attach(null);
});
$("who").addEventListener("change", async () => {
  view.user = $("who").value;
  view.version = -1;
  leaveThread();
  if (view.atHome) await send("home", {});
  refresh();
});
$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => attach(await asUpload($("file").files[0])));
$("detach").addEventListener("click", () => attach(null));
$("shortcuts-open").addEventListener("click", () => {
  $("shortcuts").replaceChildren(...shortcutsOf("global").map((one) => shortcutButton(one, (it) => choose(it, {}))));
  $("shortcuts").hidden = !$("shortcuts").hidden;
  $("shortcuts").querySelector("button")?.focus();
});
$("leave-thread").addEventListener("click", leaveThread);
$("home").addEventListener("click", () => {
  view.atHome = !view.atHome;
  if (view.atHome) send("home", {});
  show();
});
$("modal-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const modal = view.state.modal;
  showErrors(event.target, {});
  const { delivery } = await send("submit", { view_id: modal.id, values: typedValues(modal.blocks, event.target) });
  const answer = delivery ? await ackOf(delivery) : null;
  if (answer?.response_action === "errors") showErrors($("modal-form"), answer.errors);
});
const closeModal = (event) => {
  event.preventDefault();
  send("close", { view_id: view.state.modal.id });
};
$("modal-close").addEventListener("click", closeModal);
$("modal").addEventListener("cancel", closeModal);

const hintAtCommands = pickCommands($("words"), $("commands"), $("hint"), () => view.state?.commands ?? []);
setInterval(refresh, POLL_MS);
refresh();
