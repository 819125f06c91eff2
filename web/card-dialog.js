/** Somebody's card: sent by picking a friend, opened by whoever gets it. */
import { avatar } from "./avatar.js";
import { closeDialogs, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field } from "./field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { PAIR } from "./xinyu.js";

const REMARK_MAX = 100;

/** @param {import("./xinyu.js").XinYu} client @param {(userId: number, shown: object) => void} onPick */
export function openCardPicker(client, onPick) {
  const friends = client.friends();
  const { close } = openDialog(
    strings.sendCard,
    friends.length === 0 && h("p", { class: "note" }, strings.noContactsHint),
    h(
      "ul",
      { class: "person-list", "aria-label": strings.friends },
      friends.map(({ user_id: userId, nickname, remark, avatar: url }) => {
        const pick = () => {
          close();
          onPick(userId, { user_id: userId, nickname, avatar: url });
        };
        return h(
          "li",
          {},
          h(
            "button",
            { class: "person is-button", type: "button", onclick: pick },
            avatar({ id: userId, name: remark || nickname, url }),
            h("span", { class: "person-text" }, h("span", { class: "person-name" }, remark || nickname)),
          ),
        );
      }),
    ),
  );
}

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {{user_id: number, nickname: string, avatar: string}} person
 */
export function openCard(client, { user_id: userId, nickname, avatar: url }) {
  const isFriend = client.replica.rows.contact.has(`contact:${userId}`);
  const face = h(
    "div",
    { class: "person" },
    avatar({ id: userId, name: nickname, url: typeof url === "string" ? url : "" }),
    h("span", { class: "person-text" }, h("span", { class: "person-name" }, nickname)),
  );
  const { close } = openDialog(strings.card, face, userId === client.uid ? h("p", { class: "note" }, strings.youItIs) : isFriend ? messageButton() : requestForm());

  function messageButton() {
    const open = async () => {
      try {
        const talkId = await client.openTalk(PAIR, userId);
        closeDialogs();
        location.assign(`#/chat/${talkId}`);
      } catch (error) {
        toastError(error);
      }
    };
    return h("button", { class: "button is-primary is-wide", type: "button", onclick: open }, strings.message);
  }

  function requestForm() {
    const form = h(
      "form",
      { class: "form" },
      field({ name: "remark", label: strings.remark, maxlength: REMARK_MAX, value: strings.remarkDefault(client.nickname) }),
      h("button", { class: "button is-primary is-wide", type: "submit" }, strings.sendRequest),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        await client.call("contact-apply/create", { user_id: userId, remark: form.elements.remark.value.trim() || strings.remarkDefault(client.nickname) });
        toast(strings.requestSent(nickname));
        close();
      } catch (error) {
        toastError(error);
      }
    });
    return form;
  }
}
