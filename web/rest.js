/** REST calls of the page: POST JSON, or a form, to /api/v1/, on the page's own origin. */
import { ApiError } from "./api-error.js";
import { refusalText, strings } from "./strings.js";

const DEADLINE_MS = 10_000;
const UPLOAD_DEADLINE_MS = 120_000;

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
    const reason = response.headers.get("X-XinYu-Reason") ?? "";
    throw new ApiError(response.status, sentence(response.status, reason, answer), reason, answer?.data?.retry_after_ms);
  }
  if (answer === null) throw new ApiError(0, strings.badAnswer, "network");
  return answer;
}

/**
 * Posts a form with a file in it; `onProgress` hears how many of its bytes have gone. Rejects with ApiError.
 * (fetch cannot tell how far an upload is.)
 */
export function postForm(path, file, name, fields, token, onProgress, signal) {
  const form = new FormData();
  form.append("file", file, name);
  for (const [key, value] of Object.entries(fields)) form.append(key, value);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1/${path}`);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("X-XinYu-Text", "plain");
    request.timeout = UPLOAD_DEADLINE_MS;
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total ? (file.size * loaded) / total : 0));
    request.addEventListener("load", () => {
      const { status, response } = request;
      if (status === 200 && response) resolve(response);
      else {
        const reason = request.getResponseHeader("X-XinYu-Reason") ?? "";
        reject(new ApiError(status, sentence(status, reason, response), reason, response?.data?.retry_after_ms));
      }
    });
    request.addEventListener("error", () => reject(new ApiError(0, strings.unreachable, "network")));
    request.addEventListener("timeout", () => reject(new ApiError(0, strings.noAnswer, "deadline")));
    request.addEventListener("abort", () => reject(new ApiError(0, strings.noAnswer, "network")));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** The page's settings, {websocket_url, version}. */
export async function loadConfig() {
  const response = await fetchWithDeadline("/config.json", { cache: "no-store" });
  if (!response.ok) throw new ApiError(response.status, strings.serverTrouble(response.status));
  const config = await response.json().catch(() => null);
  if (typeof config?.websocket_url !== "string") throw new ApiError(0, strings.badAnswer, "network");
  return config;
}

function sentence(status, reason, answer) {
  return refusalText(reason, typeof answer?.message === "string" && answer.message ? answer.message : strings.serverTrouble(status));
}

async function fetchWithDeadline(url, options) {
  try {
    return await fetch(url, { ...options, signal: AbortSignal.timeout(DEADLINE_MS) });
  } catch (error) {
    if (error.name === "TimeoutError") throw new ApiError(0, strings.noAnswer, "deadline");
    throw new ApiError(0, strings.unreachable, "network");
  }
}
