/** Finding a person by mobile number and asking for friendship. */
import { avatar } from "./avatar.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { PAIR } from "./xinyu.js";

const REMARK_MAX = 100;

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {(talkId: number) => void} openChat
 */
export function openAddContact(client, openChat) {
  const mobile = h("input", { class: "input", name: "mobile", type: "tel", inputmode: "numeric", maxlength: 11, autocomplete: "off" });
  const submit = h("button", { class: "button is-primary", type: "submit" }, strings.find);
  const result = h("div", { class: "found", "aria-live": "polite" });
  const form = h(
    "form",
    { class: "form is-row", novalidate: true },
    h("label", { class: "field" }, h("span", { class: "field-label" }, strings.mobile), mobile),
    submit,
  );
  const { close } = openDialog(strings.findTitle, form, result);
  mobile.focus();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const number = mobile.value.replace(/\s+/g, "");
    if (!/^1[0-9]{10}$/.test(number)) {
      result.replaceChildren(h("p", { class: "form-error" }, strings.badMobile));
      return;
    }
    submit.disabled = true;
    try {
      const person = await client.call("contact/search", { mobile: number });
      result.replaceChildren(found(person));
    } catch (error) {
      const text = error.status === 404 ? strings.nobodyFound : error.message;
      result.replaceChildren(h("p", { class: "form-error" }, text));
    }
    submit.disabled = false;
  });

  function found(person) {
    const card = h(
      "div",
      { class: "person" },
      avatar({ id: person.user_id, name: person.nickname, url: person.avatar }),
      h(
        "span",
        { class: "person-text" },
        h("span", { class: "person-name" }, person.nickname),
        person.motto && h("span", { class: "person-detail" }, person.motto),
      ),
    );
    if (person.user_id === client.uid) return h("div", {}, card, h("p", { class: "note" }, strings.thatIsYou));
    if (client.replica.rows.contact.has(`contact:${person.user_id}`)) return h("div", {}, card, h("p", { class: "note" }, strings.alreadyFriend), messageButton(person));
    return h("div", {}, card, requestForm(person));
  }

  function messageButton(person) {
    const open = async () => {
      try {
        openChat(await client.openTalk(PAIR, person.user_id));
        close();
      } catch (error) {
        toastError(error);
      }
    };
    return h("button", { class: "button is-primary is-wide", type: "button", onclick: open }, strings.message);
  }

  function requestForm(person) {
    const remark = h("input", { class: "input", name: "remark", maxlength: REMARK_MAX, value: strings.remarkDefault(client.nickname) });
    const send = h("button", { class: "button is-primary is-wide", type: "submit" }, strings.sendRequest);
    const ask = h("form", { class: "form" }, h("label", { class: "field" }, h("span", { class: "field-label" }, strings.remark), remark), send);
    ask.addEventListener("submit", async (event) => {
      event.preventDefault();
      send.disabled = true;
      try {
        const text = remark.value.trim() || strings.remarkDefault(client.nickname);
        await client.call("contact-apply/create", { user_id: person.user_id, remark: text });
        toast(strings.requestSent(person.nickname));
        close();
      } catch (error) {
        send.disabled = false;
        toastError(error);
      }
    });
    return ask;
  }
}
