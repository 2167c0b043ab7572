import { STREAM_WINDOW_BYTES } from "@raft2kube/h2/limits.ts";
import { expect, test } from "vitest";
import { MESSAGE_HEADER_BYTES } from "./grpc-message.ts";
import { RequestQueue } from "./request-queue.ts";

// Work that grows with the square of their number does not end within a test's time.
test("the messages of four full windows are taken with linear work", async () => {
  const count = 4 * Math.floor(STREAM_WINDOW_BYTES / MESSAGE_HEADER_BYTES);
  let taken = 0;
  const queue = new RequestQueue((bytes) => (taken += bytes));
  for (let i = 0; i < count; i++) queue.push(i, MESSAGE_HEADER_BYTES);
  queue.end();
  let next = 0;
  for await (const message of queue) {
    if (message !== next++) expect.fail(`${String(message)} in place of ${next - 1}`);
  }
  expect([next, taken]).toEqual([count, count * MESSAGE_HEADER_BYTES]);
});
