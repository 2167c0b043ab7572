import { createSocket } from "node:dgram";
import { once } from "node:events";
import { logger } from "@raft2kube/observe/log.ts";
import packet from "dns-packet";
import { expect, test } from "vitest";
import type { Resolve } from "../resolver.ts";
import { RCODE, replyOf, writeReply } from "../wire/message.ts";
import { listenUdp } from "./udp.ts";

const FLOOD = 100;

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
