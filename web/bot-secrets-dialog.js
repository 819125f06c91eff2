/** What the server tells once of a bot: its token, and the secret with which its webhook is signed. */
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field } from "./field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";

/** @param {{token?: string, webhook_secret?: string}} answer nothing is shown where it holds neither */
export function openBotSecrets({ token, webhook_secret: secret }) {
  if (!token && !secret) return;
  openDialog(
    strings.botSecrets,
    h("p", { class: "dialog-text" }, strings.botSecretsHint),
    token && secretRow("token", strings.botToken, token),
    secret && secretRow("webhook_secret", strings.webhookSecret, secret),
  );
}

function secretRow(name, label, value) {
  const shown = field({ name, label, value, readonly: true, spellcheck: "false" });
  shown.addEventListener("focusin", ({ target }) => target.select());
  const copy = () => navigator.clipboard.writeText(value).then(() => toast(strings.copied), toastError);
  const button = h(
    "button",
    { class: "button", type: "button", "aria-label": strings.copyOf(label), onclick: copy },
    strings.copy,
  );
  return h("div", { class: "form is-row secret-row" }, shown, navigator.clipboard ? button : null);
}
