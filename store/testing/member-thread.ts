import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@raft2kube/std/assert.ts";
import { startStore } from "../main.ts";
import type { StoreOptions } from "../options.ts";

// A member with an event loop of its own: reports where and who it is, and ends when it is asked.
assert(parentPort !== null, "runs as a worker thread");
const store = await startStore(workerData as StoreOptions);
const { header } = await store.client.status();
parentPort.postMessage({ address: store.address, id: header!.memberId });
await once(parentPort, "message");
await store.close();
