import { join } from "node:path";
import { PassThrough } from "node:stream";
import { WAITING_ANSWERS_BYTES_MAX } from "@raft2kube/h2/limits.ts";
import { KV } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { frameMessage, RawClient } from "../../testing/raw-client.ts";
import { UNREAD_ANSWERS_BYTES_MAX } from "./limits.ts";
import { serve, serveGrpc } from "./server.ts";
import { UnreadAnswers } from "./unread-answers.ts";

const dir = suiteFolder("r2k-rpc-");

const MIB = 1024 * 1024;
const EMPTY = frameMessage(Buffer.alloc(0));
const connection = (waitingBytes: number) => {
  return { socket: new PassThrough(), sender: { waitingBytes, takenBytes: 0 } };
};
const ended = (all: ReturnType<typeof connection>[]) => all.map(({ socket }) => socket.destroyed);

/** The client reads so much of what waits. */
function read({ sender }: ReturnType<typeof connection>, bytes: number): void {
  sender.takenBytes += bytes;
  sender.waitingBytes -= bytes;
}

test("too much unread in all: the slowest end until it is little enough, readers stay", () => {
  const unread = new UnreadAnswers();
  const [mute, other, slow] = [connection(60 * MIB), connection(60 * MIB), connection(60 * MIB)];
  const reader = connection(UNREAD_ANSWERS_BYTES_MAX);
  const all = [slow, mute, other, reader];
  const look = () => unread.look(all, UNREAD_ANSWERS_BYTES_MAX + 80 * MIB);
  look();
  expect(ended(all), "what came just now may be read yet").toEqual([false, false, false, false]);
  read(reader, 100 * MIB);
  read(slow, MIB);
  look();
  expect(ended(all)).toEqual([false, true, true, false]);
});

test("what waits stays, however long, while there is little of it", () => {
  const unread = new UnreadAnswers();
  const all = Array.from({ length: 8 }, () => connection(UNREAD_ANSWERS_BYTES_MAX / 8));
  for (let looks = 0; looks < 100; looks++) {
    unread.look(all, UNREAD_ANSWERS_BYTES_MAX);
  }
  expect(ended(all)).not.toContain(true);
});

test("many clients that never read: their answers are bounded in all, then they end", async () => {
  const kvs = [{ key: Buffer.from("k"), value: Buffer.alloc(2 * MIB - 100) }];
  let served = 0;
  const path = join(dir, "rpc.sock");
  const server = await serveGrpc({
    listen: { path },
    services: [serve(KV, { range: () => (served++, { kvs }), put: () => ({}) })],
    messageBytes_max: 2 * MIB,
  });
  const clients = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(path)));
  const each = WAITING_ANSWERS_BYTES_MAX / 2 / MIB;
  for (const client of clients) {
    for (let i = 0; i < each; i++) client.call(2 * i + 1, "/etcdserverpb.KV/Range", EMPTY);
  }
  await expect.poll(() => served).toBe(clients.length * each);
  const refused = (client: RawClient) => {
    const ids = Array.from({ length: each }, (_, i) => 2 * i + 1);
    return ids.filter((id) => client.fields(id)["grpc-status"] === "8").length;
  };
  const all = () => clients.reduce((sum, client) => sum + refused(client), 0);
  const unread = UNREAD_ANSWERS_BYTES_MAX / 2 / MIB;
  await expect.poll(all).toBeGreaterThanOrEqual(clients.length * each - unread - 2);
  // Small answers come meanwhile.
  const other = await RawClient.connect(path);
  other.call(1, "/etcdserverpb.KV/Put", EMPTY);
  await expect.poll(() => other.fields(1)["grpc-status"]).toBe("0");
  await expect.poll(() => clients.some(({ closed }) => closed), { timeout: 10_000 }).toBe(true);
  for (const { socket } of [...clients, other]) socket.destroy();
  await server.close();
});
