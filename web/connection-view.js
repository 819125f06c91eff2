/** The state of the connection in words, with a button to try now. */
import { h } from "./dom.js";
import { strings } from "./strings.js";

export class ConnectionView {
  /** @param {import("./xinyu.js").XinYu} client */
  constructor(client) {
    this.client = client;
    this.text = h("span", { class: "connection-text" });
    this.tryNow = h(
      "button",
      { class: "link connection-retry", type: "button", hidden: true, onclick: () => client.connection.retryNow() },
      strings.tryNow,
    );
    this.node = h("div", { class: "connection", role: "status" }, h("span", { class: "connection-dot" }), this.text, this.tryNow);
    this.draw = this.draw.bind(this);
    client.addEventListener("connection", this.draw);
    window.addEventListener("offline", this.draw);
    this.timer = setInterval(() => {
      if (client.connection.state.name === "waiting") this.draw();
    }, 1000);
    this.draw();
  }

  draw() {
    const { name, retryAtMs } = this.client.connection.state;
    const isOffline = name === "waiting" && !navigator.onLine;
    const shown = isOffline ? "offline" : name === "stopped" ? "connecting" : name;
    const seconds = Math.max(1, Math.ceil(((retryAtMs ?? 0) - Date.now()) / 1000));
    const words = {
      connected: strings.connected,
      connecting: strings.connecting,
      waiting: strings.waiting(seconds),
      offline: strings.offline,
    };
    this.node.dataset.state = shown;
    if (this.text.textContent !== words[shown]) this.text.textContent = words[shown];
    this.tryNow.hidden = name !== "waiting";
  }

  dispose() {
    this.client.removeEventListener("connection", this.draw);
    window.removeEventListener("offline", this.draw);
    clearInterval(this.timer);
  }
}
