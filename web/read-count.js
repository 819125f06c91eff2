/**
 * How many have read the user's newest message in a group. The server is asked, as nobody tells: when the message is
 * another one, and then at most every 10 s while the page is looked at.
 */
const AGAIN_MS = 10_000;

export class ReadCount {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {() => void} onChange
   */
  constructor(client, onChange) {
    this.client = client;
    this.onChange = onChange;
    this.msgId = "";
    this.count = 0;
    this.askedAtMs = -Infinity;
    this.isAsking = false;
    this.isOff = false;
    this.timer = setInterval(() => document.visibilityState === "visible" && this.msgId && this.ask(), AGAIN_MS);
  }

  /** The count for the newest own record, 0 while none is known. */
  of(row, record) {
    if (this.msgId !== record.msg_id) {
      Object.assign(this, { row, record, msgId: record.msg_id, count: 0, askedAtMs: -Infinity });
      this.ask();
    }
    return this.count;
  }

  async ask() {
    const { client, record, row, msgId } = this;
    if (this.isAsking || this.isOff || client.connection.state.name !== "connected" || performance.now() - this.askedAtMs < AGAIN_MS / 2) return;
    this.isAsking = true;
    this.askedAtMs = performance.now();
    try {
      const { read_num: count } = await client.call("message/readers", client.targetOf(row, record));
      if (this.msgId === msgId && this.count !== count) {
        this.count = count;
        this.onChange();
      }
    } catch (error) {
      if (error.status === 403) this.isOff = true; // a large group, or receipts that somebody switched off
      else console.warn("readers not counted:", error.message);
    }
    this.isAsking = false;
    if (this.msgId !== msgId) this.ask();
  }

  dispose() {
    clearInterval(this.timer);
  }
}
