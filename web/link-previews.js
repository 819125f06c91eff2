/**
 * What the server tells of web pages that messages name, by their address.
 *
 * - Asked for while the message is in sight, once an address, three at a time; the latest 500 are held.
 * - No client is told whether a server offers previews: the first `not_found` says that this one does not, and then
 *   nothing is asked any more. That a page has none is held, too.
 * - After a temporary failure, such as too many in a minute, all wait.
 */
const HELD_MAX = 500;
const AT_ONCE = 3;
const PAUSE_MIN_MS = 30_000;
const TITLE_MAX = 200;
const DESCRIPTION_MAX = 400;

export class LinkPreviews extends EventTarget {
  /** @param {(url: string) => Promise<object>} ask resolves to the server's answer, rejects with ApiError */
  constructor(ask) {
    super();
    this.ask = ask;
    this.known = new Map();
    this.wanted = new Set();
    this.asked = new Set();
    this.isOff = false;
    this.isOnline = false;
    this.pause = null;
  }

  setOnline(isOnline) {
    this.isOnline = isOnline;
    this.pump();
  }

  /** {title, description, image} as far as it is known, else null. */
  of(address) {
    const page = pageOf(address);
    const preview = this.known.get(page);
    if (preview) this.hold(page, preview); // the latest use counts
    return preview ?? null;
  }

  /** Told when a message with this address comes into sight, or leaves it. */
  see(address, isInSight) {
    const page = pageOf(address);
    if (!isInSight) this.wanted.delete(page);
    else if (!this.isOff && !this.known.has(page) && !this.asked.has(page)) {
      this.wanted.add(page);
      this.pump();
    }
  }

  /** Nothing is in sight any more. */
  leave() {
    this.wanted.clear();
  }

  pump() {
    for (const page of this.wanted) {
      if (!this.isOnline || this.pause !== null || this.asked.size >= AT_ONCE) return;
      this.wanted.delete(page);
      this.load(page);
    }
  }

  async load(page) {
    this.asked.add(page);
    try {
      this.hold(page, shownOf(await this.ask(page)));
      this.dispatchEvent(new Event("change"));
    } catch (error) {
      if (error.reason === "not_found") {
        this.isOff = true;
        this.wanted.clear();
      } else if (error.isTemporary) {
        this.wanted.add(page);
        this.rest(Math.max(error.retryAfterMs ?? 0, PAUSE_MIN_MS));
      } else this.hold(page, null);
    }
    this.asked.delete(page);
    this.pump();
  }

  hold(page, preview) {
    this.known.delete(page);
    this.known.set(page, preview);
    if (this.known.size > HELD_MAX) this.known.delete(this.known.keys().next().value);
  }

  rest(ms) {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => {
      this.pause = null;
      this.pump();
    }, ms);
  }

  stop() {
    clearTimeout(this.pause);
    this.leave();
  }
}

/** What is after # is a place in the page. */
function pageOf(address) {
  return address.split("#", 1)[0];
}

/** What is shown of an answer, or null. All of it is anybody's words. */
function shownOf({ title, description, image }) {
  const text = (value, limit) => (typeof value === "string" ? value.slice(0, limit).trim() : "");
  const isPicture = typeof image === "string" && image.startsWith("https://");
  const shownTitle = text(title, TITLE_MAX);
  if (!shownTitle) return null;
  return { title: shownTitle, description: text(description, DESCRIPTION_MAX), image: isPicture ? image : "" };
}
