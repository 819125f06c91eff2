/** One's own bots: how each is doing, and the way to a new one. */
import { avatar } from "./avatar.js";
import { openBot, openNewBot } from "./bot-dialogs.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { strings } from "./strings.js";

/** @param {import("./xinyu.js").XinYu} client */
export async function openBots(client) {
  const list = h("ul", { class: "person-list", "aria-label": strings.bots });
  const note = h("p", { class: "note", "aria-live": "polite" }, strings.loading);
  const { node } = openDialog(
    strings.bots,
    h("p", { class: "dialog-text" }, strings.botsHint),
    list,
    note,
    h(
      "div",
      { class: "dialog-actions" },
      h("button", { class: "button is-primary", type: "button", onclick: () => openNewBot(client) }, strings.newBot),
    ),
  );
  client.bots.addEventListener("change", draw);
  node.addEventListener("close", () => client.bots.removeEventListener("change", draw));
  try {
    await client.bots.load();
  } catch (error) {
    note.textContent = error.message;
  }

  function draw() {
    list.replaceChildren(...client.bots.items.map(item));
    note.textContent = client.bots.items.length ? "" : strings.noBots;
  }

  function item(bot) {
    const trouble = strings.webhookStates[bot.webhook_state];
    return h(
      "li",
      {},
      h(
        "button",
        { class: "person is-button", type: "button", onclick: () => openBot(client, bot) },
        avatar({ id: bot.bot_id, name: bot.name, url: bot.avatar }),
        h(
          "span",
          { class: "person-text" },
          h("span", { class: "person-name" }, bot.name),
          trouble
            ? h("span", { class: "person-detail is-failed" }, trouble)
            : h("span", { class: "person-detail" }, strings.botSince(bot.created_at)),
        ),
      ),
    );
  }
}
