import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { WatchStreamQueue } from "./stream-queue.ts";

const RESPONSE = WatchResponse.create();

test("a stream that ends while its reader is about to take a response ends", async () => {
  const queue = new WatchStreamQueue();
  queue.push(RESPONSE, 10);
  const reading = queue.next();
  queue.end();
  expect(await reading).toBeUndefined();
});

test("the same for a pending read, which gets the reason", async () => {
  const queue = new WatchStreamQueue();
  queue.push(RESPONSE, 10);
  const reading = queue.take();
  queue.end(etcdError("stopped"));
  await expect(reading).rejects.toThrow("stopped");
});
