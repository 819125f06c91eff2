/**
 * Applications for groups that the user manages: asked for after each connection and whenever the server says that
 * there is something new.
 */
export class GroupApplications extends EventTarget {
  /** @param {import("./xinyu.js").XinYu} client */
  constructor(client) {
    super();
    this.client = client;
    this.items = [];
    this.isLoading = false;
    this.isWanted = false;
    client.addEventListener("groupApply", () => this.load());
    client.addEventListener("connection", ({ detail }) => {
      if (detail.name === "connected") this.load();
    });
  }

  /** One question at a time; what is wished for meanwhile is asked once more. */
  async load() {
    if (this.isLoading) {
      this.isWanted = true;
      return;
    }
    this.isLoading = true;
    do {
      this.isWanted = false;
      try {
        this.items = (await this.client.call("group-apply/all", {})).items;
        this.dispatchEvent(new Event("change"));
      } catch (error) {
        console.warn("applications not loaded:", error.message); // the next connection asks again
      }
    } while (this.isWanted);
    this.isLoading = false;
  }

  /** Answers one: `path` is "group-apply/agree" or "group-apply/decline". */
  async answer(path, applyId) {
    try {
      await this.client.call(path, { apply_id: applyId });
    } finally {
      await this.load();
    }
  }
}
