import { createServer } from "node:http2";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { Peer as PeerService, Message as WireMessage } from "@raft2kube/proto/gen/peer.ts";
import { type Channel, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { type RpcServer, serveGrpc } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { waitFor } from "../../testing/wait.ts";
import type { Message } from "../core/message.ts";
import { PEER_BATCH_BYTES, PEER_QUEUE_MESSAGES_MAX } from "../limits.ts";
import { PeerMetricsByMember } from "../metrics/peers.ts";
import { decodeMessage, encodeMessage, type StreamedMessage } from "./codec.ts";
import { PEER_PROTOCOLS, type Protocols, type Self } from "./hello.ts";
import { Outbox } from "./outbox.ts";
import { Peers } from "./peers.ts";
import { peerService, refuseForeign } from "./serve.ts";

const clock = systemClock();
const data = Buffer.from("command");
const change = {
  steps: [{ action: "add-learner" as const, member: 2n ** 63n }],
  transition: "auto" as const,
  context: Buffer.from("context"),
};
const envelope = { from: 1n, to: 2n, term: 7 };
const entry = { index: 6, term: 7, data: Buffer.alloc(0), change };

const EVERY_KIND: StreamedMessage[] = [
  {
    ...envelope,
    kind: "vote",
    ...{ pre: true, lastIndex: 5, lastTerm: 6, transfer: false, commit: 4, commitTerm: 3 },
  },
  { ...envelope, kind: "vote-reply", pre: false, granted: true, commit: 4, commitTerm: 3 },
  {
    ...{ ...envelope, kind: "append", prevIndex: 4, prevTerm: 6, commit: 3 },
    entries: [{ index: 5, term: 7, data, change: undefined }, entry],
  },
  {
    ...{ ...envelope, kind: "append-reply", index: 5, reject: true },
    ...{ hintIndex: 3, hintTerm: 2 },
  },
  { ...envelope, kind: "heartbeat", commit: 3, readId: 2 ** 52 },
  { ...envelope, kind: "heartbeat-reply", readId: 0, commit: 3, commitTerm: 1 },
  { ...envelope, kind: "propose", data: [data, data], change: undefined },
  { ...envelope, kind: "propose", data: [], change },
  { ...envelope, kind: "read", readId: 9 },
  { ...envelope, kind: "read-reply", readId: 9, index: 5 },
  { ...envelope, kind: "transfer", transferee: 3n },
  { ...envelope, kind: "timeout-now" },
];

test.each(EVERY_KIND)("a $kind arrives as it was sent", (message) => {
  const bytes = WireMessage.encode(encodeMessage(message));
  expect(decodeMessage(WireMessage.decode(bytes), 1n, 2n)).toEqual(message);
});

test.each(EVERY_KIND)("a $kind keeps nothing of the frame that it came in", (message) => {
  const bytes = WireMessage.encode(encodeMessage(message));
  const frame = Buffer.concat([bytes, Buffer.alloc(64 * 1024)]).subarray(0, bytes.length);
  const arrived = decodeMessage(WireMessage.decode(frame), 1n, 2n)!;
  const kept =
    arrived.kind === "append"
      ? arrived.entries.map((each) => each.data)
      : arrived.kind === "propose"
        ? arrived.data
        : [];
  for (const each of kept) expect(each.buffer).not.toBe(frame.buffer);
});

test("a message of a kind from the future is passed over", () => {
  const unknown = WireMessage.decode(WireMessage.encode({ term: 7 }));
  expect(decodeMessage(unknown, 1n, 2n)).toBe(undefined);
});

test("a queue gives batches of a bounded size, and refuses more than it may hold", async () => {
  const outbox = new Outbox();
  const big = Buffer.alloc(PEER_BATCH_BYTES / 2);
  const append = { ...(EVERY_KIND[2] as Extract<Message, { kind: "append" }>) };
  append.entries = [{ index: 1, term: 1, data: big, change: undefined }];
  for (let i = 0; i < 3; i++) expect(outbox.push(append)).toBe(true);
  expect(await outbox.take()).toHaveLength(1);
  outbox.clear();
  const small = EVERY_KIND[6]!;
  for (let i = 0; i < PEER_QUEUE_MESSAGES_MAX; i++) outbox.push(small);
  expect(outbox.push(small)).toBe(false);
});

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function selfOf(
  memberId: bigint,
  removed: bigint[] = [],
  protocols: Protocols = PEER_PROTOCOLS,
): Self {
  const peerURLs = () => [`http://127.0.0.1:${memberId}`];
  const isRemoved = (id: bigint) => removed.includes(id);
  return { protocols, clusterId: 99n, memberId, peerURLs, isRemoved };
}

async function serveMember(self: Self, received: Message[]): Promise<RpcServer> {
  const refuse = () => Promise.reject(new Error("not asked here"));
  const handlers = {
    metrics: new PeerMetricsByMember(metricsRegistry(), clock),
    receive: (message: Message) => void received.push(message),
    met: () => undefined,
    answer: (kind: string, body: Buffer) => Promise.resolve(Buffer.from(`${kind}:${body}`)),
    members: () => ({ protocol: 1, clusterId: self.clusterId, members: [] }),
    snapshot: async function* () {
      yield await refuse();
    },
  };
  const listen = { host: "127.0.0.1", port: 0 };
  const services = [peerService(self, handlers, clock)];
  const server = await serveGrpc({ services, listen, http: refuseForeign(self) });
  closing.push(() => server.close());
  return server;
}

function peersOf(self: Self, events: string[]): Peers {
  const peers = new Peers({
    self,
    tls: undefined,
    clock,
    metrics: new PeerMetricsByMember(metricsRegistry(), clock),
    onUnreachable: (member) => events.push(`unreachable ${member}`),
    onRemoved: (reason) => events.push(reason),
    sendSnapshot: () => undefined,
  });
  closing.push(() => peers.close());
  return peers;
}

test("messages and questions reach the member; a broken stream is opened again", async () => {
  const received: Message[] = [];
  const server = await serveMember(selfOf(2n), received);
  const events: string[] = [];
  const peers = peersOf(selfOf(1n), events);
  peers.update([{ id: 2n, urls: [`http://${server.address}`] }]);
  peers.send(EVERY_KIND);
  await waitFor("all messages", () => received.length === EVERY_KIND.length);
  expect(received).toEqual(EVERY_KIND);
  await waitFor("its welcome", () => peers.connectedSince_ms(2n));
  expect(await peers.ask(2n, "kind", Buffer.from("body"), 5_000)).toEqual(Buffer.from("kind:body"));
  await server.close();
  await waitFor("the loss", () => events.includes("unreachable 2"));
  expect(peers.connectedSince_ms(2n)).toBe(undefined);
});

test("questions share the stream's connection", async () => {
  const server = await serveMember(selfOf(2n), []);
  const ports: string[] = [];
  const [host = "", port = ""] = server.address.split(":");
  const between = createTcpServer((near) => {
    ports.push(near.remoteAddress ?? "");
    const far = connect(Number(port), host);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on("error", () => void socket.destroy());
    near.on("close", () => void far.destroy());
  });
  await listening(between);
  closing.push(() => new Promise<void>((resolve) => between.close(() => resolve())));
  const peers = peersOf(selfOf(1n), []);
  peers.update([{ id: 2n, urls: [`http://127.0.0.1:${(between.address() as AddressInfo).port}`] }]);
  await waitFor("its welcome", () => peers.connectedSince_ms(2n));
  for (let nth = 0; nth < 5; nth++) await peers.ask(2n, "kind", Buffer.from("b"), 5_000);
  expect(ports).toHaveLength(1);
});

test("a member whose first URL does not answer is asked by the next one", async () => {
  const server = await serveMember(selfOf(2n), []);
  const away = createTcpServer();
  const port = await listening(away);
  await new Promise<void>((resolve) => away.close(() => resolve()));
  const peers = peersOf(selfOf(1n), []);
  peers.update([{ id: 2n, urls: [`http://127.0.0.1:${port}`, `http://${server.address}`] }]);
  expect(await peers.ask(2n, "kind", Buffer.from("b"), 5_000)).toEqual(Buffer.from("kind:b"));
});

test("a removed member hears that it was removed", async () => {
  const server = await serveMember(selfOf(2n, [1n]), []);
  const events: string[] = [];
  peersOf(selfOf(1n), events).update([{ id: 2n, urls: [`http://${server.address}`] }]);
  const reported = "member 1 was removed from the cluster";
  await waitFor("the refusal", () => events.includes(reported));
});

test("a refusal by whatever else answers there is no removal", async () => {
  const foreign = createServer((_request, response) => response.writeHead(403).end());
  const port = await listening(foreign);
  closing.push(() => new Promise<void>((resolve) => foreign.close(() => resolve())));
  const events: string[] = [];
  peersOf(selfOf(1n), events).update([{ id: 2n, urls: [`http://127.0.0.1:${port}`] }]);
  await waitFor("the refusal", () => events.length > 0);
  expect(new Set(events)).toEqual(new Set(["unreachable 2"]));
});

function channelTo(server: RpcServer): Channel {
  const channel = connectGrpc(`http://${server.address}`);
  closing.push(() => channel.close());
  return channel;
}

const hello = { protocol: 1, clusterId: 99n, from: 1n, to: 2n, peerUrls: [] };

test.each([
  ["a foreign cluster", { ...hello, clusterId: 5n }, /1 belongs to cluster 5; .* 2 of cluster 63/],
  ["another member", { ...hello, to: 3n }, /1 looks for 3; this is 2/],
  ["this member's own id", { ...hello, from: 2n }, /2 is this one: .* a copy of its data/],
  ["a later protocol", { ...hello, protocol: 2 }, /1 speaks peer protocol 2, .* protocol 1/],
  ["a missing hello", undefined, /begins with a hello/],
])("%s is refused by name", async (_, first, reason) => {
  const received: Message[] = [];
  const server = await serveMember(selfOf(2n), received);
  const { exchange, ask } = client(channelTo(server), PeerService);
  async function* frames() {
    yield { ...(first ? { hello: first } : {}), messages: [{ term: 1, timeoutNow: {} }] };
  }
  await expect(exchange(frames())[Symbol.asyncIterator]().next()).rejects.toThrow(reason);
  await expect(ask({ ...(first ? { hello: first } : {}), kind: "x" })).rejects.toThrow(reason);
  expect(received).toEqual([]);
});

const SPOKEN: [name: string, theirs: Protocols, ours: Protocols, agreed: number][] = [
  ["a release that spoke but one", { oldest: 1, newest: 0 }, { oldest: 1, newest: 2 }, 1],
  ["the release before", { oldest: 1, newest: 1 }, { oldest: 1, newest: 2 }, 1],
  ["the next release", { oldest: 1, newest: 2 }, { oldest: 1, newest: 1 }, 1],
  ["the same release", { oldest: 1, newest: 2 }, { oldest: 1, newest: 2 }, 2],
  ["one that gave up the oldest", { oldest: 2, newest: 3 }, { oldest: 1, newest: 2 }, 2],
];

test.each(SPOKEN)("to %s the newest that both know is spoken", async (_, theirs, ours, agreed) => {
  const received: Message[] = [];
  const heard = Promise.withResolvers<void>();
  const server = await serveMember(selfOf(2n, [], ours), received);
  const { exchange } = client(channelTo(server), PeerService);
  async function* frames() {
    const first = { ...hello, protocol: theirs.oldest, newestProtocol: theirs.newest };
    yield { hello: first };
    yield { messages: [{ term: 1, timeoutNow: {} }] };
    await heard.promise;
  }
  const welcome = await exchange(frames())[Symbol.asyncIterator]().next();
  expect(welcome.value).toMatchObject({ protocol: agreed, memberId: 2n });
  await waitFor("the message", () => received.length === 1);
  heard.resolve();
});

test("a member upgraded and one that is not yet speak both ways", async () => {
  const next = { oldest: 1, newest: 2 };
  for (const [from, to] of [
    [next, PEER_PROTOCOLS],
    [PEER_PROTOCOLS, next],
  ] as const) {
    const received: Message[] = [];
    const server = await serveMember(selfOf(2n, [], to), received);
    const peers = peersOf(selfOf(1n, [], from), []);
    peers.update([{ id: 2n, urls: [`http://${server.address}`] }]);
    await waitFor("its welcome", () => peers.connectedSince_ms(2n));
    peers.send(EVERY_KIND);
    await waitFor("all messages", () => received.length === EVERY_KIND.length);
    expect(await peers.ask(2n, "kind", Buffer.from("b"), 5_000)).toEqual(Buffer.from("kind:b"));
  }
});

test("releases too far apart refuse each other by name, and no message passes", async () => {
  const received: Message[] = [];
  const server = await serveMember(selfOf(2n), received);
  const peers = peersOf(selfOf(1n, [], { oldest: 2, newest: 3 }), []);
  peers.update([{ id: 2n, urls: [`http://${server.address}`] }]);
  peers.send(EVERY_KIND);
  const asked = peers.ask(2n, "kind", Buffer.alloc(0), 5_000);
  const reason = "member 1 speaks peer protocols 2 to 3, this member speaks peer protocol 1";
  await expect(asked).rejects.toThrow(reason);
  expect(received).toEqual([]);
});

test("etcd's members get an error that names this protocol", async () => {
  const server = await serveMember(selfOf(2n), []);
  const answer = await fetch(`http://${server.address}/raft/probing`);
  expect(answer.status).toBe(412);
  expect(await answer.text()).toContain("member 2 of a raft2kube store");
});
