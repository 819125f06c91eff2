/** How long messages of a chat stay before they disappear for everybody. */
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { choice } from "./field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";

const OFFERED_S = [0, 60, 3600, 86_400, 604_800, 2_592_000];

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 */
export function openExpiry(client, row) {
  const current = client.replica.talks.get(row.talk_id)?.profile?.expire_after_s ?? 0;
  const seconds = OFFERED_S.includes(current) ? OFFERED_S : [...OFFERED_S, current].sort((a, b) => a - b);
  const form = h(
    "form",
    { class: "form" },
    choice({
      name: "after",
      label: strings.expireAfter,
      hint: strings.expireHint,
      value: current,
      options: seconds.map((each) => [each, strings.duration(each)]),
    }),
    h("button", { class: "button is-primary is-wide", type: "submit" }, strings.save),
  );
  const { close } = openDialog(strings.disappearing, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { talk_mode, to_from_id } = row;
      await client.call("talk/expire-after", { talk_mode, to_from_id, expire_after_s: Number(form.elements.after.value) });
      toast(strings.saved);
      close();
    } catch (error) {
      toastError(error);
    }
  });
}
