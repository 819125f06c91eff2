/** Messages that are sent later: choosing when, and what waits. */
import { confirmDialog, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field } from "./field.js";
import { icon } from "./icons.js";
import { digestOf, SENT_TYPES } from "./message-content.js";
import { refusalText, strings } from "./strings.js";
import { completeText } from "./time-text.js";
import { toast, toastError } from "./toast.js";

const HOUR_MS = 3_600_000;

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 * @param {{content: string, mentions?: number[]}} body what the editor holds
 * @param {() => void} onScheduled
 */
export function openSchedule(client, row, body, onScheduled) {
  const form = h(
    "form",
    { class: "form", novalidate: true },
    h("p", { class: "text quote" }, body.content),
    field({ name: "at", label: strings.sendAt, type: "datetime-local", value: localTime(Date.now() + HOUR_MS), min: localTime(Date.now()) }),
    h("button", { class: "button is-primary is-wide", type: "submit" }, strings.schedule),
  );
  const { close } = openDialog(strings.sendLater, form);
  form.elements.at.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const atMs = new Date(form.elements.at.value).getTime();
    if (!(atMs > Date.now())) return void toast(strings.notInFuture, "is-error");
    try {
      const { talk_mode, to_from_id } = row;
      await client.call("message/schedule", { type: "text", talk_mode, to_from_id, body, send_at_ms: atMs });
      toast(strings.scheduledFor(completeText(atMs)));
      close();
      onScheduled();
    } catch (error) {
      toastError(error);
    }
  });
}

/** What waits in this chat, each with a way to take it back. */
export async function openScheduled(client, row) {
  const list = h("ul", { class: "person-list", "aria-label": strings.scheduled });
  const note = h("p", { class: "note", "aria-live": "polite" }, strings.loading);
  openDialog(strings.scheduled, list, note);
  await load();

  async function load() {
    try {
      const { items } = await client.call("message/schedule-list", {});
      const mine = items.filter(({ talk_mode, to_from_id }) => talk_mode === row.talk_mode && to_from_id === row.to_from_id);
      list.replaceChildren(...mine.map(item));
      note.textContent = mine.length ? "" : strings.nothingScheduled;
    } catch (error) {
      note.textContent = error.message;
    }
  }

  function item({ scheduled_id: id, type, body, send_at_ms: atMs, state, reason }) {
    const isFailed = state === "failed";
    const cancel = async () => {
      if (!(await confirmDialog(strings.cancelScheduled, strings.cancelScheduledAsk, strings.cancelScheduled))) return;
      await client.call("message/schedule-cancel", { scheduled_id: id }).catch(toastError);
      await load();
    };
    return h(
      "li",
      { class: "person" },
      h(
        "span",
        { class: "person-text" },
        h("span", { class: isFailed ? "person-detail is-failed" : "person-detail" }, isFailed ? strings.scheduledFailed(refusalText(reason, reason)) : completeText(atMs)),
        h("span", { class: "text" }, digestOf({ msg_type: SENT_TYPES[type] ?? 0, extra: body, from_id: client.uid }, client.uid)),
      ),
      h("button", { class: "icon-button", type: "button", "aria-label": strings.cancelScheduled, title: strings.cancelScheduled, onclick: cancel }, icon("close")),
    );
  }
}

/** As an input of type datetime-local wants it: the browser's own zone, to the minute. */
function localTime(ms) {
  const date = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}
