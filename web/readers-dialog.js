/** Who of a group has read a message. */
import { avatar } from "./avatar.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { strings } from "./strings.js";

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} target {talk_mode, to_from_id, msg_id}
 */
export async function openReaders(client, target) {
  const counts = h("p", { class: "note", role: "status" }, strings.loading);
  const list = h("ul", { class: "person-list", "aria-label": strings.readers });
  const more = h("button", { class: "button is-wide", type: "button", hidden: true, onclick: () => load() }, strings.more);
  openDialog(strings.readers, counts, list, more);
  let cursor = "";
  await load();

  async function load() {
    try {
      const answer = await client.call("message/readers", cursor ? { ...target, cursor } : target);
      counts.textContent = strings.readCounts(answer.read_num, answer.unread_num);
      list.append(...answer.items.map(item));
      cursor = answer.cursor ?? "";
      more.hidden = !cursor;
    } catch (error) {
      counts.textContent = error.message;
    }
  }

  function item({ user_id: userId, nickname, avatar: url, read }) {
    const name = client.people.name(userId) || nickname || `${strings.userFallback} ${userId}`;
    return h(
      "li",
      { class: "person" },
      avatar({ id: userId, name, url }),
      h("span", { class: "person-text" }, h("span", { class: "person-name" }, name)),
      h("span", { class: "role" }, read ? strings.read : strings.notRead),
    );
  }
}
