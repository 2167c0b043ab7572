// A store in a process of its own that writes and compacts until it ends, however it ends: what
// its log says goes to stdout, `up` first. Arguments: data directory.
import { randomBytes } from "node:crypto";
import { configureLog } from "@raft2kube/observe/log.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { startStore } from "../main.ts";

const KEYS = 200;
const VALUE_BYTES = 32 * 1024;
const COMPACT_EVERY = 100;

configureLog({ level: "warn", stream: process.stdout });

function end(thrown: unknown): never {
  const { code = "", remedy = "" } = thrown instanceof CodedError ? thrown : {};
  process.stdout.write(`ended: ${code}: ${messageOf(thrown)}; ${remedy}\n`);
  process.exit(3);
}

const store = await startStore({ dataDir: process.argv[2]!, onFatal: end }).catch(end);
process.stdout.write("up\n");
for (let i = 0; ; i++) {
  const key = Buffer.from(`key-${i % KEYS}`);
  const { header } = await store.client.put({ key, value: randomBytes(VALUE_BYTES) }).catch(end);
  if (i % COMPACT_EVERY !== 0) continue;
  await store.client.compact({ revision: header!.revision }).catch(end);
}
