/** Exponential backoff with full jitter: after a mass disconnect nobody comes back in the same second. */
const FIRST_MS = 500;

/** A delay in ms, uniform between 0 and min(maxMs, 500 * 2^failures). */
export function backoffDelay(failures, maxMs, random = Math.random) {
  return Math.floor(random() * Math.min(maxMs, FIRST_MS * 2 ** Math.min(failures, 20)));
}
