/** Reactions under a bubble, the picker, and who reacted how. */
import { avatar } from "./avatar.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { openPopover } from "./popover.js";
import { strings } from "./strings.js";

const OFFERED = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏", "👏", "🔥", "✅", "👀", "🤔", "💯", "😍", "😡", "👎"];

/** The counts as buttons: a click adds one's own, or takes it away. */
export function reactionsView(reactions, react) {
  if (!Array.isArray(reactions) || !reactions.length) return null;
  return h(
    "div",
    { class: "reactions", role: "group", "aria-label": strings.reactions },
    reactions.map(({ emoji, count, is_mine: isMine }) =>
      h(
        "button",
        {
          class: "reaction",
          type: "button",
          "aria-pressed": isMine ? "true" : "false",
          "aria-label": strings.reactionCount(String(emoji), count),
          onclick: () => react(emoji, !isMine),
        },
        h("span", {}, String(emoji)),
        h("span", { class: "reaction-count" }, String(count)),
      ),
    ),
  );
}

/** A small board of emoji beside `button`; arrow keys move, Escape closes. */
export function openReactionPicker(button, onPick) {
  const board = openPopover(button, {
    class: "emoji-board",
    role: "menu",
    label: strings.react,
    columns: 8,
    content: OFFERED.map((emoji) =>
      h("button", { class: "emoji", type: "button", role: "menuitem", "aria-label": emoji, onclick: () => (board.hidePopover(), onPick(emoji)) }, emoji),
    ),
  });
}

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} target {talk_mode, to_from_id, msg_id}
 */
export async function openReactors(client, target) {
  const list = h("ul", { class: "person-list", "aria-label": strings.reactions });
  const note = h("p", { class: "note", "aria-live": "polite" }, strings.loading);
  const more = h("button", { class: "button is-wide", type: "button", hidden: true, onclick: () => load() }, strings.more);
  openDialog(strings.reactions, list, note, more);
  let cursor = "";
  await load();

  async function load() {
    try {
      const answer = await client.call("message/reactions", cursor ? { ...target, cursor } : target);
      list.append(...answer.items.map(item));
      cursor = answer.cursor ?? "";
      more.hidden = !cursor;
      note.textContent = list.children.length ? "" : strings.noReactions;
    } catch (error) {
      note.textContent = error.message;
    }
  }

  function item({ user_id: userId, nickname, avatar: url, emoji }) {
    const name = client.people.name(userId) || nickname || `${strings.userFallback} ${userId}`;
    return h(
      "li",
      { class: "person" },
      avatar({ id: userId, name, url }),
      h("span", { class: "person-text" }, h("span", { class: "person-name" }, name)),
      h("span", { class: "emoji" }, String(emoji)),
    );
  }
}
