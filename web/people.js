/**
 * Names and faces by user id. The server stores them with no message, so they are gathered from what passes by:
 * contacts (whose remark wins), member lists, and the newest record of each sender.
 */
export class People {
  constructor() {
    this.known = new Map();
  }

  /** @param {{user_id: number, nickname?: string, avatar?: string, remark?: string}} person */
  learn({ user_id, nickname, avatar, remark }) {
    if (!Number.isInteger(user_id) || user_id === 0) return;
    const before = this.known.get(user_id) ?? { nickname: "", avatar: "", remark: "" };
    this.known.set(user_id, {
      nickname: nickname || before.nickname,
      avatar: avatar ?? before.avatar,
      remark: remark ?? before.remark,
    });
  }

  /** What to call somebody: one's own remark for him, else his nickname, else "". */
  name(userId) {
    const person = this.known.get(userId);
    return person ? person.remark || person.nickname : "";
  }

  /** What somebody calls himself, else "". */
  nickname(userId) {
    return this.known.get(userId)?.nickname ?? "";
  }

  avatar(userId) {
    return this.known.get(userId)?.avatar ?? "";
  }
}
