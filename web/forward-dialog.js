/** To whom messages are forwarded, and how: one by one, or merged into one. */
import { avatar } from "./avatar.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { choice } from "./field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { GROUP, PAIR } from "./xinyu.js";

const ONE_BY_ONE = 1;
const MERGED = 2;

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row of the talk that they stand in
 * @param {string[]} msgIds in the order of the talk
 * @param {() => void} onDone
 */
export function openForward(client, row, msgIds, onDone = () => {}) {
  const filter = h("input", { class: "input", type: "search", placeholder: strings.searchChats, "aria-label": strings.searchChats });
  const list = h("fieldset", { class: "picker" }, h("legend", { class: "field-label" }, strings.forwardTo), targets(client).map(target));
  const submit = h("button", { class: "button is-primary is-wide", type: "submit" }, strings.forward);
  const form = h(
    "form",
    { class: "form", novalidate: true },
    filter,
    list,
    msgIds.length > 1 &&
      choice({
        name: "action",
        label: strings.forwardHow,
        options: [
          [ONE_BY_ONE, strings.forwardSingle],
          [MERGED, strings.forwardMerged],
        ],
      }),
    submit,
  );
  const { close } = openDialog(strings.forward, form);
  filter.focus();
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const label of list.querySelectorAll("label")) label.hidden = !label.textContent.toLowerCase().includes(wanted);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const picked = (name) => [...form.querySelectorAll(`input[name=${name}]:checked`)].map((box) => Number(box.value));
    const userIds = picked("user_id");
    const groupIds = picked("group_id");
    if (!userIds.length && !groupIds.length) return void toast(strings.pickTarget, "is-error");
    submit.disabled = true;
    try {
      const action = Number(form.elements.action?.value ?? ONE_BY_ONE);
      const { talk_mode, to_from_id } = row;
      const answer = await client.call("message/send", { type: "forward", talk_mode, to_from_id, body: { action, msg_ids: msgIds, user_ids: userIds, group_ids: groupIds } });
      report(answer.items);
      close();
      onDone();
    } catch (error) {
      submit.disabled = false;
      toastError(error);
    }
  });
}

/** Everybody and every group that one may write to: chats first, then friends without one. */
function targets(client) {
  const found = new Map();
  for (const row of client.replica.rows.talk.values()) {
    if (client.replica.talks.get(row.talk_id)?.member?.state !== "in" && row.talk_mode === GROUP) continue;
    found.set(`${row.talk_mode}:${row.to_from_id}`, { mode: row.talk_mode, id: row.to_from_id, ...client.faceOf(row) });
  }
  for (const { user_id: id, nickname, remark, avatar: url } of client.friends()) {
    const key = `${PAIR}:${id}`;
    if (!found.has(key)) found.set(key, { mode: PAIR, id, name: remark || nickname, avatar: url });
  }
  return [...found.values()];
}

function target({ mode, id, name, avatar: url }) {
  const isGroup = mode === GROUP;
  return h(
    "label",
    { class: "person is-button" },
    avatar({ id, name, url, isGroup }),
    h("span", { class: "person-text" }, h("span", { class: "person-name" }, name)),
    h("input", { class: "checkbox", type: "checkbox", name: isGroup ? "group_id" : "user_id", value: String(id) }),
  );
}

/** The answer has one item a copy; what was refused is said. */
function report(items) {
  const failed = Array.isArray(items) ? items.filter(({ ok }) => ok === false) : [];
  if (failed.length) toast(strings.forwardFailed(failed.length), "is-error");
  else toast(strings.forwardDone);
}
