"""Prints what a bot's webhook tells (docs/http-api.md, "Webhooks"), each message once.

    XINYU_WEBHOOK_SECRET=... python docs/examples/webhook_receiver.py 8090 taken.db

The secret is what `bot/create` or `bot/update` answered. What is not signed with it, or was signed more than five
minutes ago, is refused. A delivery may come again: its id is noted in the transaction that has its effect, here the
count of messages, and only then is it answered. SIGTERM and Ctrl-C end it.
"""

import hashlib
import hmac
import json
import os
import signal
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ["XINYU_WEBHOOK_SECRET"].encode()
NOT_OLDER_THAN_S = 300
MAX_BYTES = 16 * 1024 * 1024


def is_signed(timestamp: str, content: bytes, given: str) -> bool:
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > NOT_OLDER_THAN_S:
        return False
    expected = hmac.new(SECRET, timestamp.encode() + b"." + content, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), given.encode())


class Receiver(BaseHTTPRequestHandler):
    database: sqlite3.Connection
    timeout = 10  # of a sender that says nothing

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        if length > MAX_BYTES:
            self.send_error(413)
            return
        content = self.rfile.read(length)
        headers = self.headers
        if not is_signed(headers.get("X-XinYu-Timestamp", ""), content, headers.get("X-XinYu-Signature", "")):
            self.send_error(401)
            return
        self.take(headers["X-XinYu-Delivery"], json.loads(content)["events"])
        self.send_response(204)
        self.end_headers()

    def take(self, delivery_id: str, events: list[dict]) -> None:  # type: ignore[type-arg]
        with self.database as transaction:
            if not transaction.execute("INSERT OR IGNORE INTO taken VALUES (?)", (delivery_id,)).rowcount:
                return
            transaction.execute("UPDATE counts SET messages = messages + ?", (len(events),))
        for event in events:
            if event["event"] != "im.message":
                continue  # what a later version may tell
            record = event["payload"]["body"]
            text = "(recalled)" if record["is_revoked"] == 1 else json.loads(record["extra"]).get("content", "")
            print(f"{record['talk_id']}/{record['sequence']} {record['nickname']}: {text}", flush=True)

    def log_message(self, *_: object) -> None:
        pass


def main(port: int, path: str) -> None:
    Receiver.database = sqlite3.connect(path)
    with Receiver.database as transaction:
        transaction.execute("CREATE TABLE IF NOT EXISTS taken (delivery_id PRIMARY KEY)")
        transaction.execute("CREATE TABLE IF NOT EXISTS counts (messages)")
        transaction.execute("INSERT INTO counts SELECT 0 WHERE NOT EXISTS (SELECT * FROM counts)")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with HTTPServer(("127.0.0.1", port), Receiver) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
    Receiver.database.close()


main(int(sys.argv[1]), sys.argv[2])
