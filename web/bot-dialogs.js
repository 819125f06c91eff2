/** A bot: making one, and changing or ending one that is there. */
import { openBotSecrets } from "./bot-secrets-dialog.js";
import { closeDialogs, confirmDialog, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field } from "./field.js";
import { pictureField } from "./picture-field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { PAIR } from "./xinyu.js";

const NAME_MAX = 64;
const ADDRESS_MAX = 2048;
const NOBODY_YET = { bot_id: 0, name: "", avatar: "", webhook_url: "" };

/** @param {import("./xinyu.js").XinYu} client */
export function openNewBot(client) {
  const form = botForm(client, NOBODY_YET, strings.create, async (fields) => {
    const answer = await client.bots.change("bot/create", fields);
    close();
    openBotSecrets(answer);
  });
  const { close } = openDialog(strings.newBot, form);
  form.elements.name.focus();
}

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} bot as listed
 */
export function openBot(client, bot) {
  const { bot_id: botId, webhook_url: webhookUrl } = bot;
  const form = botForm(client, bot, strings.save, async (fields) => {
    const answer = await client.bots.change("bot/update", { bot_id: botId, ...fields });
    toast(strings.saved);
    close();
    openBotSecrets(answer);
  });
  const { close } = openDialog(
    bot.name,
    webhookTrouble(bot),
    form,
    h("button", { class: "link", type: "button", onclick: () => write() }, strings.message),
    h("button", { class: "link", type: "button", onclick: () => resetToken() }, strings.resetToken),
    webhookUrl && h("button", { class: "link", type: "button", onclick: () => renewSecret() }, strings.renewSecret),
    h("button", { class: "link is-danger", type: "button", onclick: () => remove() }, strings.deleteBot),
  );

  async function write() {
    try {
      const talkId = await client.openTalk(PAIR, botId);
      closeDialogs();
      location.assign(`#/chat/${talkId}`);
    } catch (error) {
      toastError(error);
    }
  }

  /** Asks, changes, and shows what the server tells of it once. */
  async function ask(title, question, path, body) {
    if (!(await confirmDialog(title, question, title))) return;
    try {
      const answer = await client.bots.change(path, { bot_id: botId, ...body });
      close();
      openBotSecrets(answer);
    } catch (error) {
      toastError(error);
    }
  }

  const resetToken = () => ask(strings.resetToken, strings.resetTokenAsk(bot.name), "bot/token-reset", {});
  const renewSecret = () => ask(strings.renewSecret, strings.renewSecretAsk, "bot/update", { webhook_url: webhookUrl });
  const remove = () => ask(strings.deleteBot, strings.deleteBotAsk(bot.name), "bot/delete", {});
}

/** The form of a bot; `onSubmit` gets what differs from `bot`, in the names of the routes. */
function botForm(client, bot, action, onSubmit) {
  const picture = pictureField(client, { id: bot.bot_id, name: bot.name, url: bot.avatar });
  const save = h("button", { class: "button is-primary is-wide", type: "submit" }, action);
  const webhook = { name: "webhook_url", label: strings.webhook, hint: strings.webhookHint, type: "url" };
  const form = h(
    "form",
    { class: "form", novalidate: true, "aria-label": strings.bot },
    picture.node,
    field({ name: "name", label: strings.botName, maxlength: NAME_MAX, value: bot.name, autocomplete: "off" }),
    field({ ...webhook, maxlength: ADDRESS_MAX, value: bot.webhook_url, autocomplete: "off", placeholder: "https://" }),
    save,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, webhook_url } = Object.fromEntries(new FormData(form));
    if (!name.trim()) return void toast(strings.noBotName, "is-error");
    const wanted = { name: name.trim(), avatar: picture.url(), webhook_url: webhook_url.trim() };
    const changed = Object.entries(wanted).filter(([key, value]) => value !== bot[key]);
    save.disabled = true;
    try {
      await onSubmit(Object.fromEntries(changed));
    } catch (error) {
      toastError(error);
    }
    save.disabled = false;
  });
  return form;
}

function webhookTrouble({ webhook_state: state, webhook_failure: failure }) {
  const words = strings.webhookStates[state];
  return words ? h("p", { class: "form-error" }, failure ? `${words} (${failure})` : words) : null;
}
