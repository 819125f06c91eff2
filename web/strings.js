/** The words that the page shows, in the language that was chosen, else in the browser's. */
import { chinese } from "./chinese.js";
import { english } from "./english.js";

const KEY = "xinyu.language";
const LANGUAGES = { en: english, zh: chinese };

function wanted() {
  if (typeof document === "undefined") return "en"; // the modules by themselves, without a page
  const chosen = localStorage.getItem(KEY);
  if (chosen in LANGUAGES) return chosen;
  return navigator.languages?.[0]?.toLowerCase().startsWith("zh") ? "zh" : "en";
}

const language = wanted();
if (typeof document !== "undefined") document.documentElement.lang = language;

export const strings = LANGUAGES[language];

/** Loads the page anew in the other of the two languages. */
export function switchLanguage() {
  localStorage.setItem(KEY, language === "en" ? "zh" : "en");
  location.reload();
}

/** What to say of a refusal: in our language where there are words for it, else as the server put it. */
export function refusalText(reason, message) {
  return strings.errors[reason] ?? message;
}
