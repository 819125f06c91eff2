/** The page: either the form for logging in, or the main view of the client that is logged in. */
import { MainView } from "./main-view.js";
import { SignInView } from "./sign-in-view.js";
import { dropSession, loadSession } from "./sign-in-session.js";
import { strings } from "./strings.js";
import { XinYu } from "./xinyu.js";

const host = document.getElementById("app");

async function signIn(session) {
  const client = new XinYu(session);
  const leave = async (notice) => {
    view.dispose();
    dropSession();
    showSignIn(notice);
  };
  const view = new MainView(client, {
    logOut: async () => {
      await leave("");
      location.hash = "";
      await client.logOut();
    },
  });
  client.addEventListener("ended", ({ detail }) => {
    const words = {
      kicked: strings.kicked,
      replaced: strings.replaced,
      passwordChanged: strings.passwordChanged,
      everywhere: strings.everywhere,
    };
    leave(words[detail.reason] ?? strings.signedOut);
  });
  await client.start();
  host.replaceChildren(view.node);
  view.shown();
}

function showSignIn(notice) {
  host.replaceChildren(new SignInView({ notice, onSignedIn: signIn }).node);
  host.querySelector("input")?.focus();
}

const session = loadSession();
if (session) signIn(session);
else showSignIn("");
