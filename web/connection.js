/**
 * One WebSocket session in the dialect `xinyu.v1.json`, kept alive and brought back.
 *
 * connecting -> (open, session.open, session.ready) -> connected -> closed -> waiting -> connecting ...
 * A request is an event with an ackid; it ends by `ack`, `event_error`, its deadline or the end of the connection.
 * A page cannot see protocol pings, so it sends `heartbeat` every heartbeat_ms and reconnects when no answer comes.
 * Waiting is exponential backoff with full jitter, at least what the server asked for (1012, `session.migrate`). The
 * count of failures falls back to 0 only after a connection has lasted, so that an accept-and-close loop is paced too.
 */
import { ApiError } from "./api-error.js";
import { backoffDelay } from "./backoff.js";
import { refusalText, strings } from "./strings.js";

const SUBPROTOCOL = "xinyu.v1.json";
const READY_DEADLINE_MS = 10_000;
const REQUEST_DEADLINE_MS = 10_000;
const HEARTBEAT_DEADLINE_MAX_MS = 8_000;
const HEARTBEAT_DEADLINE_MIN_MS = 2_000;
const HEARTBEAT_DEFAULT_MS = 30_000;
const BACKOFF_MAX_MS = 30_000;
const LASTED_MS = 5_000;
const TOO_MANY_WAIT_MS = 5_000;
const REQUESTS_MAX = 128;

/** Close codes after which coming back with the same token is pointless, and why. */
const FINAL_CLOSE_CODES = { 4401: "unauthorized", 4403: "kicked", 4409: "replaced" };

export class Connection {
  /**
   * @param {object} options
   * @param {() => Promise<string>} options.url
   * @param {string} options.token
   * @param {string} options.deviceId
   * @param {(state: {name: string, retryAtMs?: number}) => void} options.onState
   *   name: "connecting", "connected", "waiting" (until retryAtMs, by Date.now()) or "stopped"
   * @param {(session: object) => void} options.onReady with the payload of session.ready
   * @param {(event: string, payload: object) => void} options.onEvent every event that is no answer
   * @param {(reason: string) => void} options.onEnded "unauthorized", "kicked" or "replaced": will not come back
   */
  constructor(options) {
    this.options = options;
    this.state = { name: "stopped" };
    this.socket = null;
    this.requests = new Map();
    this.lastAckid = 0;
    this.failures = 0;
    this.timers = new Map();
    this.wake = () => this.wakeUp();
  }

  start() {
    window.addEventListener("online", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    this.connect();
  }

  stop() {
    window.removeEventListener("online", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    this.abandon(1000);
    this.setState({ name: "stopped" });
  }

  /** Asks the server something. Rejects with ApiError; status 0 when no answer came. */
  request(event, payload, deadlineMs = REQUEST_DEADLINE_MS) {
    if (this.state.name !== "connected") return Promise.reject(new ApiError(0, strings.notConnected, "network"));
    if (this.requests.size >= REQUESTS_MAX) return Promise.reject(new ApiError(0, strings.tooBusy, "network"));
    const ackid = `r${(this.lastAckid += 1)}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.requests.delete(ackid);
        reject(new ApiError(0, strings.noAnswer, "deadline"));
      }, deadlineMs);
      this.requests.set(ackid, { resolve, reject, timer });
      this.write({ event, payload, ackid });
    });
  }

  /** Sends an event whose loss does not matter. */
  tell(event, payload) {
    if (this.state.name === "connected") this.write({ event, payload });
  }

  /** Connects now instead of at the end of the wait. */
  retryNow() {
    if (this.state.name === "waiting") this.connect();
  }

  // ---------------------------------------------------------------- life

  async connect() {
    this.abandon(1000);
    this.setState({ name: "connecting" });
    const attempt = (this.attempt = (this.attempt ?? 0) + 1);
    let socket;
    try {
      const url = await this.options.url();
      if (this.attempt !== attempt || this.state.name !== "connecting") return;
      socket = new WebSocket(url, [SUBPROTOCOL]);
    } catch (error) {
      if (this.attempt === attempt && this.state.name === "connecting") this.waitAndRetry(0);
      return;
    }
    this.socket = socket;
    this.arm("ready", READY_DEADLINE_MS, () => this.lost(0));
    socket.onopen = () => {
      const { token, deviceId } = this.options;
      this.write({ event: "session.open", payload: { token, device_id: deviceId, platform: "web" } });
    };
    socket.onmessage = ({ data }) => this.receive(data);
    socket.onclose = ({ code, reason }) => this.closed(code, reason);
  }

  receive(data) {
    let envelope;
    try {
      envelope = JSON.parse(data);
    } catch {
      return; // binary or broken: nothing that this dialect sends
    }
    const { event, payload, ackid } = envelope ?? {};
    if (ackid !== undefined && (event === "ack" || event === "event_error")) this.answered(event, payload ?? {}, ackid);
    else if (event === "session.ready") this.ready(payload ?? {});
    else if (event === "session.kicked") this.end("kicked");
    else if (event === "session.migrate") this.arm("migrate", payload?.after_ms ?? 0, () => this.lost(0));
    else if (event === "event_error" && this.state.name === "connecting" && payload?.error_code === 401) {
      this.end("unauthorized");
    } else if (typeof event === "string") this.options.onEvent(event, payload ?? {});
  }

  ready(session) {
    this.disarm("ready");
    this.setState({ name: "connected" });
    this.arm("lasted", LASTED_MS, () => {
      this.failures = 0;
    });
    this.heartbeatMs = Math.max(1000, session.heartbeat_ms ?? HEARTBEAT_DEFAULT_MS);
    this.arm("heartbeat", this.heartbeatMs, () => this.beat());
    this.options.onReady(session);
  }

  beat() {
    const socket = this.socket;
    const deadlineMs = Math.max(HEARTBEAT_DEADLINE_MIN_MS, Math.min(HEARTBEAT_DEADLINE_MAX_MS, this.heartbeatMs));
    this.request("heartbeat", {}, deadlineMs).then(
      () => {
        if (this.socket === socket && this.state.name === "connected") {
          this.arm("heartbeat", this.heartbeatMs, () => this.beat());
        }
      },
      (error) => {
        if (this.socket !== socket || this.state.name !== "connected") return;
        if (error.status === 0) this.lost(0);
        else this.arm("heartbeat", this.heartbeatMs, () => this.beat());
      },
    );
  }

  /** The network came back or the page is looked at again: do not sit out a wait, do not trust an old connection. */
  wakeUp() {
    if (document.visibilityState !== "visible") return;
    if (this.state.name === "waiting") this.connect();
    else if (this.state.name === "connected") this.beat();
  }

  answered(event, payload, ackid) {
    const request = this.requests.get(ackid);
    if (!request) return;
    this.requests.delete(ackid);
    clearTimeout(request.timer);
    if (event === "ack") request.resolve(payload);
    else {
      const { error_code: status, error_message: message, reason, retry_after_ms: retryAfterMs } = payload;
      request.reject(new ApiError(status ?? 500, refusalText(reason, message || strings.serverTrouble(status)), reason, retryAfterMs));
    }
  }

  closed(code, reason) {
    const final = FINAL_CLOSE_CODES[code];
    if (final) this.end(final);
    else if (code === 1012) this.lost(Number.parseInt(/\d+/.exec(reason)?.[0] ?? "0", 10));
    else this.lost(code === 4429 || code === 1013 ? TOO_MANY_WAIT_MS : 0);
  }

  lost(atLeastMs) {
    this.abandon(1000);
    this.waitAndRetry(atLeastMs);
  }

  waitAndRetry(atLeastMs) {
    const delayMs = Math.min(atLeastMs, 300_000) + backoffDelay(this.failures, BACKOFF_MAX_MS);
    this.failures += 1;
    this.setState({ name: "waiting", retryAtMs: Date.now() + delayMs });
    this.arm("retry", delayMs, () => this.connect());
  }

  end(reason) {
    this.stop();
    this.options.onEnded(reason);
  }

  /** Lets go of the socket, whatever state it is in, and fails what was asked over it. */
  abandon(code) {
    for (const name of [...this.timers.keys()]) this.disarm(name);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(code);
    }
    const requests = [...this.requests.values()];
    this.requests.clear();
    for (const { reject, timer } of requests) {
      clearTimeout(timer);
      reject(new ApiError(0, strings.notConnected, "network"));
    }
  }

  write(envelope) {
    this.socket.send(JSON.stringify(envelope));
  }

  setState(state) {
    this.state = state;
    this.options.onState(state);
  }

  arm(name, delayMs, callback) {
    clearTimeout(this.timers.get(name));
    this.timers.set(
      name,
      setTimeout(() => {
        this.timers.delete(name);
        callback();
      }, delayMs),
    );
  }

  disarm(name) {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
  }
}
