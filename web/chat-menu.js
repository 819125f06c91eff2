/** What can be done with an open chat as a whole. */
import { openCardPicker } from "./card-dialog.js";
import { contactItems } from "./contact-dialogs.js";
import { confirmDialog, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { openExpiry } from "./expiry-dialog.js";
import { openGroupDetails } from "./group-details.js";
import { ADMIN, openMembers, ownRole } from "./group-members.js";
import { openMenu } from "./menu.js";
import { textBody } from "./message-content.js";
import { openScheduled, openSchedule } from "./schedule-dialogs.js";
import { KEYWORD_MAX, SearchResults } from "./search-results.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { openNewVote } from "./vote-dialogs.js";
import { GROUP } from "./xinyu.js";

/**
 * @param {Element} button
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 */
export function openChatMenu(button, client, row) {
  const talk = () => client.replica.talks.get(row.talk_id);
  const target = { talk_mode: row.talk_mode, to_from_id: row.to_from_id };
  const isGroup = row.talk_mode === GROUP;
  const items = [];
  if (isGroup) {
    items.push({ label: strings.groupDetails, act: () => openGroupDetails(client, row) });
    items.push({ label: strings.members, act: () => openMembers(client, row) });
  } else items.push(...contactItems(client, row));
  items.push({ label: strings.searchInChat, act: () => openTalkSearch(client, row) });
  items.push({ label: strings.scheduled, act: () => openScheduled(client, row) });
  if (!isGroup || ownRole(client, row.talk_id) <= ADMIN) items.push({ label: strings.disappearing, act: () => openExpiry(client, row) });
  const mark = (path, isSet) => client.call(path, { ...target, action: isSet ? 2 : 1 }).catch(toastError);
  items.push({ label: row.is_top === 1 ? strings.unpin : strings.pin, act: () => mark("talk/session-top", row.is_top === 1) });
  items.push({
    label: row.is_disturb === 1 ? strings.unsilence : strings.silence,
    act: () => mark("talk/session-disturb", row.is_disturb === 1),
  });
  items.push({
    label: strings.removeChat,
    act: () => client.call("talk/session-delete", { ...target, sequence: talk()?.sequence ?? 0 }).then(() => location.assign("#/"), toastError),
  });
  items.push({
    label: strings.clearHistory,
    danger: true,
    act: async () => {
      if (!(await confirmDialog(strings.clearHistory, strings.clearHistoryAsk, strings.clear))) return;
      client.call("talk/session-clear-records", { ...target, sequence: talk()?.sequence ?? 0 }).catch(toastError);
    },
  });
  openMenu(button, items);
}

/** What can be sent beside texts, pictures and files. */
export function openSendMenu(button, client, row, composer) {
  const items = [
    {
      label: strings.sendCard,
      act: () =>
        openCardPicker(client, (userId, shown) => {
          if (!client.sendCard(row, userId, shown)) toast(strings.queueFull, "is-error");
        }),
    },
  ];
  if (row.talk_mode === GROUP) items.push({ label: strings.newVote, act: () => openNewVote(client, row) });
  items.push({
    label: strings.sendLater,
    act: () => {
      const text = composer.text();
      if (!text) toast(strings.writeFirst);
      else openSchedule(client, row, textBody(text, composer.mentions()), () => composer.clear());
    },
  });
  openMenu(button, items);
}

function openTalkSearch(client, row) {
  const input = h("input", { class: "input", type: "search", maxlength: KEYWORD_MAX, placeholder: strings.searchInChat, "aria-label": strings.searchInChat });
  const results = new SearchResults(client, { talk_mode: row.talk_mode, to_from_id: row.to_from_id }, () => close());
  const { close } = openDialog(strings.searchInChat, input, results.node);
  input.addEventListener("input", () => results.search(input.value.trim()));
  input.focus();
}
