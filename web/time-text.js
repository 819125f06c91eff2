/** Times as people read them, in the browser's own zone. */
import { strings } from "./strings.js";

const format = (options) => new Intl.DateTimeFormat(strings.locale, options);
const clock = format({ hour: "2-digit", minute: "2-digit" });
const weekday = format({ weekday: "long" });
const shortWeekday = format({ weekday: "short" });
const dayOfYear = format({ day: "numeric", month: "long" });
const shortDay = format({ day: "numeric", month: "short" });
const fullDay = format({ day: "numeric", month: "long", year: "numeric" });
const numericDay = format({ day: "2-digit", month: "2-digit", year: "2-digit" });
const complete = format({ dateStyle: "full", timeStyle: "medium" });

/** A number that is the same for two times of one day. */
export function dayOf(ms) {
  const date = new Date(ms);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}

function daysAgo(ms) {
  const midnight = (time) => new Date(time).setHours(0, 0, 0, 0);
  return Math.round((midnight(Date.now()) - midnight(ms)) / 86_400_000);
}

export function clockText(ms) {
  return clock.format(ms);
}

export function completeText(ms) {
  return complete.format(ms);
}

/** For a separator between messages: Today, Yesterday, Monday, 3 May, 3 May 2025. */
export function dayText(ms) {
  const days = daysAgo(ms);
  if (days <= 0) return strings.today;
  if (days === 1) return strings.yesterday;
  if (days < 7) return weekday.format(ms);
  return new Date(ms).getFullYear() === new Date().getFullYear() ? dayOfYear.format(ms) : fullDay.format(ms);
}

/** For the list: 14:05, Yesterday, Mon, 3 May, 03/05/25. */
export function listText(ms) {
  const days = daysAgo(ms);
  if (days <= 0) return clock.format(ms);
  if (days === 1) return strings.yesterday;
  if (days < 7) return shortWeekday.format(ms);
  return new Date(ms).getFullYear() === new Date().getFullYear() ? shortDay.format(ms) : numericDay.format(ms);
}
