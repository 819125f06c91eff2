/** The votes of a group, and making one. */
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field, toggle } from "./field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { voteView } from "./vote-view.js";

const TITLE_MAX = 50;
const OPTION_MAX = 100;
const OPTIONS_MIN = 2;
const OPTIONS_MAX = 6;
const FINISHED = 2;

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 */
export async function openVotes(client, row) {
  const list = h("ul", { class: "person-list", "aria-label": strings.votes });
  const note = h("p", { class: "note", "aria-live": "polite" });
  const create = h("button", { class: "button is-primary", type: "button", onclick: () => openNewVote(client, row, load) }, strings.newVote);
  openDialog(strings.votes, list, note, h("div", { class: "dialog-actions" }, create));
  await load();

  async function load() {
    try {
      const { items } = await client.call("group-vote/list", { group_id: row.to_from_id });
      note.textContent = items.length ? "" : strings.noVotes;
      list.replaceChildren(...items.map(item));
    } catch (error) {
      note.textContent = error.message;
    }
  }

  function item(vote) {
    const state = vote.status === FINISHED ? strings.voteOver : vote.is_voted ? strings.voteMine : "";
    return h(
      "li",
      {},
      h(
        "button",
        { class: "person is-button", type: "button", onclick: () => openVote(client, vote.vote_id) },
        h("span", { class: "person-text" }, h("span", { class: "person-name" }, vote.title), h("span", { class: "person-detail" }, vote.created_at)),
        state && h("span", { class: "role" }, state),
      ),
    );
  }
}

/** One vote by itself. */
function openVote(client, voteId) {
  const body = h("div", {});
  const { votes } = client;
  const draw = () => body.replaceChildren(voteView(votes.of(voteId), { submit: (options) => votes.submit(voteId, options), finish: null }));
  const { node } = openDialog(strings.vote, body);
  votes.addEventListener("change", draw);
  node.addEventListener("close", () => votes.removeEventListener("change", draw));
  draw();
}

/** Asks the group something. `onMade` is called once the vote stands in the chat. */
export function openNewVote(client, row, onMade = () => {}) {
  const options = h("div", { class: "form" });
  const addOption = () => {
    const number = options.children.length + 1;
    options.append(field({ name: "option", label: strings.voteOption(number), maxlength: OPTION_MAX, autocomplete: "off" }));
    more.hidden = number >= OPTIONS_MAX;
    return options.lastChild.querySelector("input");
  };
  const more = h("button", { class: "link", type: "button", onclick: () => addOption().focus() }, strings.voteAddOption);
  for (let number = 0; number < OPTIONS_MIN; number += 1) addOption();
  const submit = h("button", { class: "button is-primary is-wide", type: "submit" }, strings.create);
  const form = h(
    "form",
    { class: "form", novalidate: true },
    field({ name: "title", label: strings.voteTitle, maxlength: TITLE_MAX, autocomplete: "off" }),
    options,
    more,
    toggle({ name: "several", label: strings.voteSeveral }),
    toggle({ name: "secret", label: strings.voteSecret, hint: strings.voteSecretHint }),
    submit,
  );
  const { close } = openDialog(strings.newVote, form);
  form.elements.title.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const texts = [...options.querySelectorAll("input")].map((input) => input.value.trim()).filter(Boolean);
    const title = form.elements.title.value.trim();
    if (!title || texts.length < OPTIONS_MIN) return void toast(strings.voteIncomplete, "is-error");
    submit.disabled = true;
    try {
      await client.call("group-vote/create", {
        group_id: row.to_from_id,
        title,
        mode: form.elements.several.checked ? 2 : 1,
        is_anonymous: form.elements.secret.checked ? 2 : 1,
        options: texts,
      });
      close();
      onMade();
    } catch (error) {
      submit.disabled = false;
      toastError(error);
    }
  });
}
