// Calls XinYu with its .proto files and nothing else: `node call.js ADDRESS PROTO_ROOT SECRET`. Prints JSON.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [address, protoRoot, secret] = process.argv.slice(2);
const folder = "xinyu/wire/v1";
const files = fs.readdirSync(path.join(protoRoot, folder)).filter((name) => name.endsWith(".proto"));
const definition = protoLoader.loadSync(files.map((name) => `${folder}/${name}`), { includeDirs: [protoRoot], keepCase: true });
const wire = grpc.loadPackageDefinition(definition).xinyu.wire.v1;

function call(client, method, request, headers, deadline_ms = 30000) {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  return new Promise((resolve) => {
    client[method](request, metadata, { deadline: Date.now() + deadline_ms }, (error, answer) => {
      resolve(error ? { code: error.code, details: error.details, metadata: error.metadata.getMap() } : { answer });
    });
  });
}

async function main() {
  const probe = new wire.Probe(address, grpc.credentials.createInsecure());
  const message = new wire.Message(address, grpc.credentials.createInsecure());
  const known = { authorization: `Bearer ${secret}`, "xinyu-caller": "node", "x-trace-id": "ab".repeat(16) };
  const echoed = await call(probe, "Echo", { payload: Buffer.from("hello") }, known);
  console.log(JSON.stringify({
    services: Object.keys(wire).filter((name) => wire[name].service).sort(),
    echoed: echoed.answer && echoed.answer.payload.toString(),
    refused: await call(message, "Typing", { user_id: "7" }, known),
    unknown: await call(probe, "Echo", {}, { authorization: "Bearer something-else" }),
    late: await call(message, "Typing", { user_id: "8" }, known, 100),
  }));
}

main();
