// @ts-check
// A test with an etcd of its own, in its own process: npm install raft2kube, then
//   R2K_LOG=warn node --test embedded-store.test.mjs
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connectEtcd } from "raft2kube/etcd";
import { startStore } from "raft2kube/store";

/** @type {import("raft2kube/store").EmbeddedStore} */
let store;

before(async () => {
  // A directory of its own, which close() removes; a free port of the loopback.
  store = await startStore();
});
after(() => store.close());

const bytes = (/** @type {string} */ text) => Buffer.from(text);

test("in this process, without the network", async () => {
  await store.client.put({ key: bytes("greeting"), value: bytes("hello") });
  const { kvs, count } = await store.client.range({ key: bytes("greeting") });
  assert.equal(count, 1);
  assert.equal(kvs[0]?.value.toString(), "hello");
});

test("over gRPC, as etcd clients reach it: a watch sees a put", async () => {
  const client = connectEtcd({ endpoints: [store.endpoint] });
  const watch = client.watch();
  watch.create({ key: bytes("job/"), rangeEnd: bytes("job0") });
  const seen = [];
  for await (const { created, events } of watch) {
    if (created) {
      // Only if the key does not exist: its version is 0 then.
      await client.txn({
        compare: [{ key: bytes("job/1"), target: 0, result: 0, version: 0 }],
        success: [{ requestPut: { key: bytes("job/1"), value: bytes("mine") } }],
      });
    }
    seen.push(...events.map(({ kv }) => `${kv?.key} = ${kv?.value}`));
    if (seen.length > 0) break;
  }
  assert.deepEqual(seen, ["job/1 = mine"]);
  await client.close();
});
