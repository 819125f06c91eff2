/**
 * Replays one device's life through the page's own replica, step by step: calls and pushes go in, the requests that it
 * makes are held against the expected ones, and what it shows is returned wherever the script asks for it.
 */
import { Catchup } from "/catchup.js";
import { Replica } from "/replica.js";

/** Runs all promise callbacks that are ready. */
async function settle() {
  for (let turn = 0; turn < 30; turn += 1) await null;
}

function view(replica) {
  const talks = {};
  for (const [talkId, row] of replica.rows.talk) {
    const talk = replica.talks.get(talkId);
    talks[talkId] = {
      cursors: talk ? [talk.sequence, talk.change, talk.own] : [0, 0, 0],
      from: talk ? talk.from : 1,
      read: talk ? talk.read_sequence : 0,
      unread: replica.unread(talkId),
      listed: (talk?.sequence ?? 0) > row.hidden_sequence,
      is_top: row.is_top,
      name: talk?.profile?.name ?? "",
      member: talk?.member ? [talk.member.state, talk.member.role] : null,
      records: talk ? [...talk.records.values()].sort((a, b) => a.sequence - b.sequence).map((r) => [r.sequence, r.is_revoked, r.extra]) : [],
      missing: replica.missing(talkId),
      roster: talk?.roster ? [...talk.roster.values()].map((m) => [m.user_id, m.role]).sort((a, b) => a[0] - b[0]) : null,
    };
  }
  return { talks, contacts: [...replica.rows.contact.keys()].sort(), versions: { ...replica.versions } };
}

/** @returns {Promise<{views: object[], wrong: string[]}>} */
export async function replay(uid, steps) {
  const replica = new Replica(uid);
  const wrong = [];
  const views = [];
  let asked = null; // the request under way
  const request = (event, body) =>
    new Promise((resolve, reject) => {
      asked = { event, body, resolve, reject };
    });
  const catchup = new Catchup(replica, request, () => {}, () => Promise.resolve());
  let range = null;
  let members = null;
  const look = ({ talk_id }) => ({ talk: replica.talk(talk_id), epoch: replica.epoch, generation: catchup.generation });
  const isCurrent = (question) => question.talk && question.generation === catchup.generation;
  for (const [index, [name, value]] of steps.entries()) {
    if (name === "connected") catchup.connected(value);
    else if (name === "disconnected") catchup.disconnected();
    else if (name === "push") catchup.receive(...value);
    else if (name === "sync") catchup.start();
    else if (name === "answer") {
      const { request: expected, answer } = value;
      const question = asked;
      asked = null;
      if (!question) wrong.push(`step ${index}: no request, expected ${JSON.stringify(expected)}`);
      else {
        const body = { ...question.body, talks: question.body.talks.sort((a, b) => a[0] - b[0]) };
        if (JSON.stringify(body) !== JSON.stringify(expected)) {
          wrong.push(`step ${index}: asked ${JSON.stringify(body)}, expected ${JSON.stringify(expected)}`);
        }
        if (answer) question.resolve(answer);
        else question.reject(new Error("lost"));
      }
    } else if (name === "ask range") range = { ...look(value), ...value };
    else if (name === "range") {
      if (isCurrent(range)) replica.applyRange(range.talk, range.epoch, range.from, range.to, value);
    } else if (name === "ask members") members = look(value);
    else if (name === "members") {
      if (isCurrent(members)) replica.applyRoster(members.talk, members.epoch, value);
    } else if (name === "view") views.push(view(replica));
    await settle();
  }
  catchup.disconnected();
  return { views, wrong };
}
