import { createSocket } from "node:dgram";
import { once } from "node:events";
import { enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { createVeth, getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { addTokenBucket } from "@raft2kube/linux/netlink/traffic-control.ts";
import { bindUdp } from "@raft2kube/linux/socket/socket.ts";
import { logger } from "@raft2kube/observe/log.ts";
import packet, { type OptAnswer } from "dns-packet";
import { expect, onTestFinished, test } from "vitest";
import { createNamespaces } from "../../testing/network/namespaces.ts";
import { UDP_BYTES_MAX } from "../limits.ts";
import type { Resolve } from "../resolver.ts";
import { RCODE, replyOf, writeReply } from "../wire/message.ts";
import { listenUdp } from "./udp.ts";

const FLOOD = 100;
/** The queries of a pod that looks up 150 names concurrently. */
const BURST = 300;
/** More answers than the buffer of an ordinary socket counts as under way. */
const UNREAD = 600;
const queryOf = (name: string, additionals: OptAnswer[] = []) =>
  packet.encode({
    id: 1,
    type: "query",
    questions: [{ name, type: "A" }],
    answers: [],
    authorities: [],
    additionals,
    flags: 0,
  });
const QUERY = queryOf("x.test");

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
  for (let n = 0; n < FLOOD; n++) greedy!.send(QUERY, server.port, "127.0.0.1");
  const answered = once(other!, "message");
  other!.send(QUERY, server.port, "127.0.0.1");
  await answered;
  expect(order.indexOf("127.0.0.3")).toBeLessThan(FLOOD / 2);
  greedy!.close();
  other!.close();
  await server.close();
});

test("a burst of one client is answered whole, datagrams larger than a query are not", async () => {
  const names = new Set<string>();
  const resolve: Resolve = (query, limit) => {
    names.add(query.question.name);
    return Promise.resolve(writeReply(query, replyOf(RCODE.NXDOMAIN), limit));
  };
  const server = await listenUdp({ address: "127.0.0.1", port: 0 }, resolve, logger("dns-test"));
  const client = createSocket("udp4").bind(0, "127.0.0.1");
  await once(client, "listening");
  const options = [{ code: 12, data: Buffer.alloc(UDP_BYTES_MAX) }];
  const edns = { udpPayloadSize: UDP_BYTES_MAX, extendedRcode: 0, ednsVersion: 0, flags: 0 };
  const large = queryOf("large.test", [{ type: "OPT", name: ".", ...edns, options }]);
  client.send(large, server.port, "127.0.0.1");
  const answered = new Promise<void>((done) => {
    let left = BURST;
    client.on("message", () => --left === 0 && done());
  });
  for (let n = 0; n < BURST; n++) client.send(QUERY, server.port, "127.0.0.1");
  await answered;
  expect([...names]).toEqual(["x.test"]);
  client.close();
  await server.close();
});

test.runIf(process.getuid?.() === 0)(
  "answers that wait for the link of one client, which is slow, keep none from another",
  async () => {
    const namespaces = createNamespaces("r2k-dnsslow-");
    onTestFinished(() => namespaces.close());
    const [node, ...pods] = ["node", "slow", "other"].map((name) => namespaces.add(name));
    enterNetns(node!);
    const clients = pods.map((netns, at) => {
      using route = openRoute();
      createVeth(route, { name: `pod${at}`, up: true }, { name: "eth0", up: true, netns });
      const { index } = getLink(route, `pod${at}`);
      addAddress(route, index, `10.9.${at}.1/24`);
      if (at === 0) {
        addTokenBucket(route, index, { rate: 125, burst_bytes: 2_000, limit_bytes: 131_072 });
      }
      const fd = inNetns(netns, () => {
        using own = openRoute();
        addAddress(own, getLink(own, "eth0").index, `10.9.${at}.2/24`);
        return bindUdp(`10.9.${at}.2`, 0);
      });
      return createSocket("udp4").bind({ fd });
    });
    let asked = 0;
    let onNext = () => {};
    const resolve: Resolve = (query, limit) => {
      asked++;
      onNext();
      return Promise.resolve(writeReply(query, replyOf(RCODE.NXDOMAIN), limit));
    };
    const server = await listenUdp({ address: "0.0.0.0", port: 0 }, resolve, logger("dns-test"));
    const [slow, other] = clients;
    onTestFinished(async () => {
      for (const socket of clients) socket.close();
      await server.close();
    });
    while (asked < UNREAD) {
      const next = new Promise<void>((done) => (onNext = done));
      slow!.send(QUERY, server.port, "10.9.0.1");
      await next;
    }
    const answered = once(other!, "message");
    other!.send(QUERY, server.port, "10.9.1.1");
    await answered;
  },
);
