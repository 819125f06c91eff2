/** A refused or failed call, over REST or WebSocket. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status of the refusal; 0 when no answer came (network, deadline, not connected)
   * @param {string} message written for people
   * @param {string} reason the stable word of the refusal ("not_member", "muted", ...), or "network", "deadline"
   * @param {number} [retryAfterMs] when the server names a delay
   */
  constructor(status, message, reason = "", retryAfterMs = undefined) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }

  /** True when the same call may succeed later without a change. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}
