import { createSocket } from "node:dgram";
import { once } from "node:events";
import { logger } from "@raft2kube/observe/log.ts";
import packet from "dns-packet";
import { expect, test } from "vitest";
import { WAITING_MAX, WAITING_PER_CLIENT_MAX } from "../limits.ts";
import type { Resolve } from "../resolver.ts";
import { RCODE, replyOf, writeReply } from "../wire/message.ts";
import { FairQueue } from "./fair-queue.ts";
import { listenUdp } from "./udp.ts";

const FLOOD = 100;

test("clients go in rotation, each with its datagrams in order", () => {
  const queue = new FairQueue<string>();
  for (const datagram of ["a1", "a2", "a3", "b1", "c1", "b2"]) {
    queue.push(datagram.charAt(0), datagram);
  }
  const left = Array.from({ length: 7 }, () => queue.shift());
  expect(left).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", undefined]);
});

test("a client that floods loses its own datagrams, and others have room", () => {
  const queue = new FairQueue<string>();
  for (let n = 0; n < 10 * WAITING_PER_CLIENT_MAX; n++) queue.push("a", `a${n}`);
  queue.push("b", "b1");
  expect([queue.shift(), queue.shift()]).toEqual(["a0", "b1"]);
  let left = 0;
  while (queue.shift() !== undefined) left++;
  expect(left).toBe(WAITING_PER_CLIENT_MAX - 1);
});

test("all clients together have a bounded number", () => {
  const queue = new FairQueue<number>();
  for (let n = 0; n < 2 * WAITING_MAX; n++) queue.push(`10.0.${n >> 8}.${n & 255}`, n);
  let left = 0;
  while (queue.shift() !== undefined) left++;
  expect(left).toBe(WAITING_MAX);
});

test("a query is answered before those that another client sent in a flood", async () => {
  const order: string[] = [];
  const resolve: Resolve = (query, limit, client) => {
    order.push(client);
    return Promise.resolve(writeReply(query, replyOf(RCODE.NXDOMAIN), limit));
  };
  const server = await listenUdp({ address: "127.0.0.1", port: 0 }, resolve, logger("dns-test"));
  const [greedy, other] = await Promise.all(
    ["127.0.0.2", "127.0.0.3"].map(async (address) => {
      const socket = createSocket("udp4").bind(0, address);
      await once(socket, "listening");
      return socket;
    }),
  );
  const query = packet.encode({
    id: 1,
    type: "query",
    questions: [{ name: "x.test", type: "A" }],
    answers: [],
    authorities: [],
    additionals: [],
    flags: 0,
  });
  for (let n = 0; n < FLOOD; n++) greedy!.send(query, server.port, "127.0.0.1");
  const answered = once(other!, "message");
  other!.send(query, server.port, "127.0.0.1");
  await answered;
  expect(order.indexOf("127.0.0.3")).toBeLessThan(FLOOD / 2);
  greedy!.close();
  other!.close();
  await server.close();
});
