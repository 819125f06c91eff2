/** REST calls of the page: POST JSON to /api/v1/, on the page's own origin. */
import { ApiError } from "./api-error.js";
import { strings } from "./strings.js";

const DEADLINE_MS = 10_000;

/**
 * Calls one route. Resolves to the answer's object; rejects with ApiError.
 * @param {string} path such as "auth/login"
 * @param {object} body
 * @param {string} [token]
 */
export async function post(path, body = {}, token = undefined) {
  const headers = { "Content-Type": "application/json", "X-XinYu-Text": "plain" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetchWithDeadline(`/api/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(
      response.status,
      typeof answer?.message === "string" && answer.message ? answer.message : strings.serverTrouble(response.status),
      response.headers.get("X-XinYu-Reason") ?? "",
      answer?.data?.retry_after_ms,
    );
  }
  if (answer === null) throw new ApiError(0, strings.badAnswer, "network");
  return answer;
}

/** The page's settings, {websocket_url, version}. */
export async function loadConfig() {
  const response = await fetchWithDeadline("/config.json", { cache: "no-store" });
  if (!response.ok) throw new ApiError(response.status, strings.serverTrouble(response.status));
  const config = await response.json().catch(() => null);
  if (typeof config?.websocket_url !== "string") throw new ApiError(0, strings.badAnswer, "network");
  return config;
}

async function fetchWithDeadline(url, options) {
  try {
    return await fetch(url, { ...options, signal: AbortSignal.timeout(DEADLINE_MS) });
  } catch (error) {
    if (error.name === "TimeoutError") throw new ApiError(0, strings.noAnswer, "deadline");
    throw new ApiError(0, strings.unreachable, "network");
  }
}
