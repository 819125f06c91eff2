/** One's own profile and login: name, words about oneself, picture, what others see of reading, password, the end of all logins. */
import { openBots } from "./bots-dialog.js";
import { confirmDialog, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field, toggle } from "./field.js";
import { pictureField } from "./picture-field.js";
import { PASSWORD_MAX, PASSWORD_MIN } from "./sign-in-view.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";

const MOTTO_MAX = 255;

/** @param {import("./xinyu.js").XinYu} client */
export function openProfile(client) {
  const user = client.replica.rows.user.get("user")?.user_info ?? { nickname: client.nickname, motto: "", avatar: "" };
  const picture = pictureField(client, { id: client.uid, name: user.nickname, url: user.avatar });
  const save = h("button", { class: "button is-primary is-wide", type: "submit" }, strings.save);
  const profile = h(
    "form",
    { class: "form", "aria-label": strings.profile },
    picture.node,
    field({ name: "nickname", label: strings.nickname, maxlength: 30, value: user.nickname }),
    field({ name: "motto", label: strings.motto, maxlength: MOTTO_MAX, value: user.motto }),
    save,
  );
  const password = h(
    "form",
    { class: "form", novalidate: true, "aria-label": strings.changePassword },
    h("h3", { class: "section-title" }, strings.changePassword),
    field({ name: "old_password", label: strings.oldPassword, type: "password", autocomplete: "current-password", maxlength: PASSWORD_MAX }),
    field({ name: "new_password", label: strings.newPassword, hint: strings.passwordHint, type: "password", autocomplete: "new-password", maxlength: PASSWORD_MAX }),
    h("button", { class: "button is-wide", type: "submit" }, strings.changePassword),
  );
  const exported = h("button", { class: "link", type: "button", onclick: () => client.downloadExport() }, strings.exportData);
  const bots = h("button", { class: "link", type: "button", onclick: () => openBots(client) }, strings.bots);
  const everywhere = h("button", { class: "link", type: "button" }, strings.logOutEverywhere);
  const receipts = toggle({
    name: "read_receipts",
    label: strings.readReceipts,
    hint: strings.readReceiptsHint,
    checked: client.replica.rows.user.get("user")?.setting?.read_receipts !== "N",
    onchange: async ({ target }) => {
      try {
        await client.call("user/setting/save", { read_receipts: target.checked ? "Y" : "N" });
        toast(strings.saved);
      } catch (error) {
        target.checked = !target.checked;
        toastError(error);
      }
    },
  });
  const { close } = openDialog(strings.profile, profile, receipts, password, bots, exported, everywhere);

  profile.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { nickname, motto } = Object.fromEntries(new FormData(profile));
    if (!nickname.trim()) return void toast(strings.noNickname, "is-error");
    save.disabled = true;
    try {
      const fields = { nickname: nickname.trim(), motto: motto.trim() };
      if (picture.url()) fields.avatar = picture.url();
      await client.call("user/detail-update", fields);
      toast(strings.saved);
      close();
    } catch (error) {
      toastError(error);
    }
    save.disabled = false;
  });

  password.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(password));
    if (fields.new_password.length < PASSWORD_MIN) return void toast(strings.shortPassword, "is-error");
    try {
      await client.endLogins("user/password-update", fields, "passwordChanged");
      close();
    } catch (error) {
      toastError(error);
    }
  });

  everywhere.addEventListener("click", async () => {
    if (!(await confirmDialog(strings.logOutEverywhere, strings.logOutEverywhereAsk, strings.logOut))) return;
    try {
      await client.endLogins("auth/logout-all", {}, "everywhere");
      close();
    } catch (error) {
      toastError(error);
    }
  });
}
