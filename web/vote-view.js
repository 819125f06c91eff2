/** A vote as a message: answered in place, then its results as bars; who chose what, where the vote is open. */
import { confirmDialog, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { strings } from "./strings.js";
import { toastError } from "./toast.js";

const SEVERAL = 2;
const SECRET = 2;
const FINISHED = 2;

/**
 * @param {{detail: object | null, failure: string}} entry
 * @param {{submit: (options: string[]) => Promise<void>, finish: (() => Promise<void>) | null}} actions
 */
export function voteView({ detail, failure }, actions) {
  if (!detail) return h("span", { class: "text is-kind" }, failure || strings.loading);
  const isOver = detail.status === FINISHED;
  const isOpen = !detail.is_submit && !isOver;
  const kinds = [
    detail.answer_mode === SEVERAL ? strings.voteSeveral : strings.voteOne,
    detail.is_anonymous === SECRET ? strings.voteSecret : null,
    isOver ? strings.voteOver : null,
  ];
  return h(
    "div",
    { class: "vote" },
    h("p", { class: "vote-title" }, detail.title),
    h("p", { class: "note" }, kinds.filter(Boolean).join(" · ")),
    isOpen ? ballot(detail, actions) : results(detail),
    h(
      "p",
      { class: "vote-foot" },
      h("span", { class: "note" }, strings.voted(detail.answered_num, detail.answer_num)),
      detail.is_anonymous !== SECRET && detail.answered_num > 0 && h("button", { class: "link", type: "button", onclick: () => openVoters(detail) }, strings.voteWho),
      actions.finish && !isOver && finishButton(actions),
    ),
  );
}

function ballot(detail, actions) {
  const type = detail.answer_mode === SEVERAL ? "checkbox" : "radio";
  const name = `vote-${detail.vote_id}-${Math.random().toString(36).slice(2)}`;
  const submit = h("button", { class: "button is-primary is-small", type: "submit", disabled: true }, strings.vote);
  const form = h(
    "form",
    { class: "vote-options", "aria-label": detail.title },
    detail.answer_options.map(({ key, value }) => h("label", { class: "vote-option" }, h("input", { type, name, value: key }), h("span", {}, value))),
    submit,
  );
  const picked = () => [...form.querySelectorAll("input:checked")].map((box) => box.value);
  form.addEventListener("change", () => {
    submit.disabled = picked().length === 0;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await actions.submit(picked());
    } catch (error) {
      submit.disabled = false;
      toastError(error);
    }
  });
  return form;
}

function results(detail) {
  return h(
    "ul",
    { class: "vote-options", "aria-label": strings.voteResults },
    detail.answer_options.map(({ value, num, is_checked }) =>
      h(
        "li",
        { class: is_checked ? "vote-result is-mine" : "vote-result" },
        h("span", { class: "vote-value" }, value, is_checked && h("span", { class: "note" }, ` (${strings.voteMine})`)),
        h("span", { class: "vote-number" }, String(num)),
        h("meter", { min: 0, max: Math.max(1, detail.answered_num), value: num, "aria-label": value }),
      ),
    ),
  );
}

function finishButton(actions) {
  const finish = async () => {
    if (!(await confirmDialog(strings.voteFinish, strings.voteFinishAsk, strings.voteFinish))) return;
    actions.finish().catch(toastError);
  };
  return h("button", { class: "link", type: "button", onclick: finish }, strings.voteFinish);
}

function openVoters(detail) {
  const nameOf = ({ nickname, user_id }) => nickname || `${strings.userFallback} ${user_id}`;
  openDialog(
    strings.voteWho,
    detail.answer_options.map(({ key, value }) => {
      const voters = detail.answered_users.filter(({ options }) => options.includes(key));
      return h(
        "section",
        {},
        h("h3", { class: "section-title" }, `${value} (${voters.length})`),
        h("p", { class: "text" }, voters.map(nameOf).join(", ")),
      );
    }),
  );
}
