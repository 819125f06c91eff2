/**
 * One's own bots, and who is known to be a bot at all: one's own, and whoever a row of a talk, a contact or a member says
 * is one. A bot stays a bot, so what was learned once is kept.
 */
const ROBOT = 1;

export class Bots extends EventTarget {
  /** @param {import("./xinyu.js").XinYu} client */
  constructor(client) {
    super();
    this.client = client;
    this.items = [];
    this.robots = new Set();
    this.isAsked = false;
  }

  learn(userId, isRobot) {
    if (isRobot === ROBOT) this.robots.add(userId);
  }

  isRobot(userId) {
    return this.robots.has(userId);
  }

  /** Asks for one's own once, so that they are known among the friends. */
  async know() {
    if (this.isAsked) return;
    this.isAsked = true;
    try {
      await this.load();
    } catch (error) {
      this.isAsked = false;
      console.warn("bots not known:", error.message);
    }
  }

  async load() {
    this.items = (await this.client.call("bot/list", {})).items;
    for (const { bot_id } of this.items) this.robots.add(bot_id);
    this.dispatchEvent(new Event("change"));
  }

  /** Calls a route of bots and takes over what became of them. Resolves to its answer. */
  async change(path, body) {
    const answer = await this.client.call(path, body);
    await this.load();
    return answer;
  }
}
