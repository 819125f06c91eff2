// ws as an echo server: `node ws_server.js PORT`. `go R` sends R frames to all.
'use strict';

const { WebSocketServer } = require('ws');

const PAYLOAD = 'x'.repeat(128);
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.argv[2]),
  backlog: 4096,
  perMessageDeflate: false,
  maxPayload: 1 << 24,
});

server.on('connection', (connection) => {
  connection.on('error', () => {});
  connection.on('message', (data, isBinary) => {
    const match = !isBinary && data.length < 11 && /^go ([1-9][0-9]{0,6})$/.exec(data.toString());
    if (!match) {
      connection.send(data, { binary: isBinary });
      return;
    }
    for (let round = 0; round < Number(match[1]); round++) {
      for (const each of server.clients) {
        if (each.readyState === 1) each.send(PAYLOAD);
      }
    }
  });
});
