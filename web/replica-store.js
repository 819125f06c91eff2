/**
 * Keeps a user's replica in IndexedDB, so that a reload shows everything at once and syncs only what is new.
 *
 * - One write is one transaction: changed rows, records and all cursors together, so what is read back is always a
 *   state that the server can continue from. Changes that come while a transaction runs are joined into the next one.
 * - Tabs of one user share the database, but only the tab that holds the lock writes; another takes over, and writes
 *   everything anew, when that tab closes. Without locks (plain http on a strange host) nothing is kept.
 * - Losing the store costs a sync, never a message: every failure here is logged and the page goes on in memory.
 */
import { mergeChanges, ROOMS, rowKey } from "./replica.js";

const DATABASE_VERSION = 1;
const RECORDS_KEPT_A_TALK = 200;
const ROWS_SUFFIX = "_row";

function settle(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

function databaseName(uid) {
  return `xinyu-replica-${uid}`;
}

export class ReplicaStore {
  /** @param {import("./replica.js").Replica} replica */
  constructor(replica) {
    this.replica = replica;
    this.database = null;
    this.pending = null;
    this.writing = false;
    this.isOwner = false;
    this.release = () => {};
  }

  /** Opens the database and fills the replica from it. Never rejects. */
  async load() {
    if (!globalThis.indexedDB || !navigator.locks) return;
    try {
      const request = indexedDB.open(databaseName(this.replica.uid), DATABASE_VERSION);
      request.onupgradeneeded = () => {
        const database = request.result;
        database.createObjectStore("meta");
        for (const room of ROOMS) database.createObjectStore(room + ROWS_SUFFIX);
        database.createObjectStore("talk");
        database.createObjectStore("record");
      };
      this.database = await settle(request);
      this.database.onversionchange = () => this.close();
      await this.read();
    } catch (error) {
      console.warn("the local copy cannot be read:", error);
      this.close();
      this.replica.forget();
    }
    this.replica.takeChanges();
    if (this.database) this.own();
  }

  async read() {
    const { replica } = this;
    const names = ["meta", "talk", "record", ...ROOMS.map((room) => room + ROWS_SUFFIX)];
    const transaction = this.database.transaction(names, "readonly");
    const [cursors, talks, records, ...rows] = await Promise.all([
      settle(transaction.objectStore("meta").get("cursors")),
      settle(transaction.objectStore("talk").getAll()),
      settle(transaction.objectStore("record").getAll()),
      ...ROOMS.map((room) => settle(transaction.objectStore(room + ROWS_SUFFIX).getAll())),
    ]);
    if (!cursors) return;
    replica.epoch = cursors.epoch;
    replica.versions = cursors.versions;
    ROOMS.forEach((room, index) => {
      for (const row of rows[index]) replica.rows[room].set(rowKey(room, row), row);
    });
    for (const head of talks) {
      const roster = head.roster && new Map(head.roster.map((member) => [member.user_id, member]));
      replica.talks.set(head.talk_id, { ...head, roster, records: new Map() });
    }
    for (const record of records) replica.talks.get(record.talk_id)?.records.set(record.sequence, record);
    for (const talkId of replica.talks.keys()) replica.trim(talkId, RECORDS_KEPT_A_TALK);
  }

  own() {
    const name = databaseName(this.replica.uid);
    navigator.locks
      .request(name, () => {
        if (!this.database) return undefined;
        this.isOwner = true;
        this.save({ all: true, talks: new Map(), rows: new Map() });
        return new Promise((resolve) => {
          this.release = resolve;
        });
      })
      .catch((error) => console.warn("no lock for the local copy:", error));
  }

  /** Notes changes of the replica; they are written together with the cursors as they are then. */
  save(changes) {
    if (!this.isOwner || !this.database) return;
    this.pending = this.pending ? mergeChanges(this.pending, changes) : changes;
    if (!this.writing) this.write();
  }

  async write() {
    this.writing = true;
    try {
      while (this.pending && this.database) {
        const changes = this.pending;
        this.pending = null;
        await this.writeOnce(changes);
      }
    } catch (error) {
      console.warn("the local copy cannot be written:", error);
      this.close();
    }
    this.writing = false;
  }

  writeOnce(changes) {
    const { replica } = this;
    const names = ["meta", "talk", "record", ...ROOMS.map((room) => room + ROWS_SUFFIX)];
    const transaction = this.database.transaction(names, "readwrite");
    const store = (name) => transaction.objectStore(name);
    if (changes.all) for (const name of names) store(name).clear();
    for (const room of ROOMS) {
      const rows = replica.rows[room];
      for (const key of changes.all ? rows.keys() : (changes.rows.get(room) ?? [])) {
        if (rows.has(key)) store(room + ROWS_SUFFIX).put(rows.get(key), key);
        else store(room + ROWS_SUFFIX).delete(key);
      }
    }
    for (const talkId of changes.all ? replica.talks.keys() : changes.talks.keys()) {
      const talk = replica.talks.get(talkId);
      const changed = changes.all ? { all: true } : changes.talks.get(talkId);
      if (changed.all && !changes.all) store("record").delete(IDBKeyRange.bound([talkId], [talkId, []]));
      if (!talk) {
        store("talk").delete(talkId);
        continue;
      }
      const { records, roster, ...head } = talk;
      store("talk").put({ ...head, roster: roster && [...roster.values()] }, talkId);
      for (const sequence of changed.all ? records.keys() : changed.sequences) {
        if (records.has(sequence)) store("record").put(records.get(sequence), [talkId, sequence]);
        else store("record").delete([talkId, sequence]);
      }
    }
    store("meta").put({ epoch: replica.epoch, versions: { ...replica.versions } }, "cursors");
    return finished(transaction);
  }

  close() {
    this.database?.close();
    this.database = null;
    this.pending = null;
    this.isOwner = false;
    this.release();
  }

  /** Closes and deletes the copy: nothing stays on this computer after logging out. */
  async destroy() {
    this.close();
    if (globalThis.indexedDB) await settle(indexedDB.deleteDatabase(databaseName(this.replica.uid))).catch(() => {});
  }
}
