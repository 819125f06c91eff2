/** Logging in and creating an account. */
import { h } from "./dom.js";
import { field } from "./field.js";
import { post } from "./rest.js";
import { strings, switchLanguage } from "./strings.js";
import { deviceId, saveSession } from "./sign-in-session.js";

const MOBILE = /^1[0-9]{10}$/;
export const PASSWORD_MIN = 8;
export const PASSWORD_MAX = 128;

export class SignInView {
  /**
   * @param {object} options
   * @param {string} options.notice shown above the form, such as why the last login ended
   * @param {(session: object) => void} options.onSignedIn
   */
  constructor({ notice = "", onSignedIn }) {
    this.onSignedIn = onSignedIn;
    this.node = h("main", { class: "sign-in" });
    this.draw("login", { notice });
  }

  draw(mode, { notice = "", mobile = "" } = {}) {
    const isRegister = mode === "register";
    const error = h("p", { class: notice ? "form-error" : "form-error is-empty", role: "alert" }, notice);
    const submit = h("button", { class: "button is-primary is-wide", type: "submit" }, isRegister ? strings.createAccount : strings.logIn);
    const form = h(
      "form",
      { class: "form", novalidate: true, "aria-label": isRegister ? strings.createAccount : strings.logIn },
      isRegister && field({ name: "nickname", label: strings.nickname, autocomplete: "nickname", maxlength: 30 }),
      field({ name: "mobile", label: strings.mobile, hint: strings.mobileHint, type: "tel", inputmode: "numeric", autocomplete: "username", maxlength: 11, value: mobile }),
      field({ name: "password", label: strings.password, hint: isRegister ? strings.passwordHint : "", type: "password", autocomplete: isRegister ? "new-password" : "current-password", maxlength: PASSWORD_MAX }),
      isRegister && field({ name: "sms_code", label: strings.smsCode, hint: strings.smsCodeHint, inputmode: "numeric", autocomplete: "one-time-code", maxlength: 6 }),
      error,
      submit,
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
      values.mobile = values.mobile.replace(/\s+/g, "");
      const problem = validate(values, isRegister);
      const show = (text) => {
        error.textContent = text;
        error.classList.toggle("is-empty", !text);
      };
      show(problem);
      if (problem) return;
      submit.disabled = true;
      try {
        this.onSignedIn(await (isRegister ? register(values) : logIn(values)));
      } catch (failure) {
        show(failure.message);
        submit.disabled = false;
        if (!isRegister) form.elements.password.select();
      }
    });
    const other = isRegister ? "login" : "register";
    this.node.replaceChildren(
      h(
        "div",
        { class: "sign-in-card" },
        h("img", { class: "sign-in-logo", src: "logo.svg", alt: "" }),
        h("h1", {}, strings.appName),
        h("p", { class: "tagline" }, strings.tagline),
        form,
        h(
          "p",
          { class: "sign-in-other" },
          isRegister ? strings.haveAccount : strings.newHere,
          " ",
          h(
            "button",
            { class: "link", type: "button", onclick: () => this.draw(other, { mobile: form.elements.mobile.value }) },
            isRegister ? strings.logIn : strings.createAccount,
          ),
        ),
        h("button", { class: "link", type: "button", onclick: switchLanguage }, strings.otherLanguage),
      ),
    );
    form.elements[isRegister ? "nickname" : "mobile"].focus();
  }
}

function validate({ mobile, password, nickname }, isRegister) {
  if (isRegister && !nickname.trim()) return strings.noNickname;
  if (!MOBILE.test(mobile)) return strings.badMobile;
  if (isRegister && (password.length < PASSWORD_MIN || password.length > PASSWORD_MAX)) return strings.shortPassword;
  return password ? "" : strings.shortPassword;
}

function logIn({ mobile, password }) {
  return openSession("auth/login", { mobile, password, platform: "web" });
}

function register({ nickname, mobile, password, sms_code }) {
  return openSession("auth/register", { nickname: nickname.trim(), mobile, password, platform: "web", sms_code });
}

async function openSession(path, body) {
  const { access_token: token, expires_in: expiresInSeconds } = await post(path, body);
  const { user_info: user } = await post("user/setting", {}, token);
  const session = {
    token,
    expires_at_ms: Date.now() + expiresInSeconds * 1000,
    uid: user.uid,
    nickname: user.nickname,
    device_id: deviceId(),
  };
  saveSession(session);
  return session;
}
