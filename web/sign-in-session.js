/** The login of this tab, in sessionStorage: one login per tab, gone when the tab closes. */

const KEY = "xinyu.session";

/** {token, expires_at_ms, uid, nickname, device_id} or null. */
export function loadSession() {
  try {
    const session = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return session?.token && session.uid && session.expires_at_ms > Date.now() ? session : null;
  } catch {
    return null;
  }
}

export function saveSession(session) {
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

export function dropSession() {
  sessionStorage.removeItem(KEY);
}

/** A name for this device (this tab), stable over reloads. */
export function deviceId() {
  const key = "xinyu.device";
  let id = sessionStorage.getItem(key);
  if (!id) {
    id = `web-${Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("")}`;
    sessionStorage.setItem(key, id);
  }
  return id;
}
