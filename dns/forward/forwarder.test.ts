import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { logger } from "@raft2kube/observe/log.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import packet, { type OptAnswer } from "dns-packet";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { freePort } from "../../testing/free-port.ts";
import { waitFor } from "../../testing/wait.ts";
import {
  FORWARDED_MAX,
  FORWARDED_PER_CLIENT_MAX,
  SHARING_PER_CLIENT_MAX,
  UPSTREAM_REST_MS,
  UPSTREAM_TIMEOUT_MS,
  UPSTREAMS_READ_MS,
} from "../limits.ts";
import { type Query, readQuery, upstreamQuery } from "../wire/message.ts";
import { createForwarder, type Forwarder } from "./forwarder.ts";

// A resolver that answers no name but one. The forwarder's clock stands still: no query times out.
const ANSWERED = "answered.example.org";
const address = "127.0.0.1";
let upstream: Socket;
let received: number;
let forwarder: Forwarder;

beforeEach(async () => {
  received = 0;
  upstream = createSocket("udp4");
  upstream.on("message", (bytes, from) => {
    received++;
    if (packet.decode(bytes).questions?.[0]?.name === ANSWERED) answer(upstream, bytes, from);
  });
  upstream.bind(0, address);
  await once(upstream, "listening");
  const upstreams = [{ address, port: upstream.address().port }];
  forwarder = createForwarder({
    upstreams: () => upstreams,
    clock: new ManualClock(),
    log: logger("dns-test"),
  });
});
afterEach(() => upstream.close());

function answer(socket: Socket, asked: Buffer, from: RemoteInfo): void {
  const { id = 0, questions = [] } = packet.decode(asked);
  const none = { answers: [], authorities: [], additionals: [] };
  const bytes = packet.encode({ id, type: "response", flags: 0, questions, ...none });
  socket.send(bytes, from.port, from.address);
}

function query(name: string): Query {
  const read = readQuery(
    packet.encode({
      id: 1,
      type: "query",
      flags: packet.RECURSION_DESIRED,
      questions: [{ name, type: "A" }],
      answers: [],
      authorities: [],
      additionals: [],
    }),
  );
  return read as Query;
}

/** Sends queries of a client that are not answered, and waits until the resolver has them. */
async function ask(client: string, count: number): Promise<void> {
  const before = received;
  for (let n = 0; n < count; n++) void forwarder.forward(query(`n${n}.${client}.test`), client);
  await waitFor("the queries", () => received === before + count);
}

it("one client has a part of the forwarded queries, and others go on", async () => {
  await ask("10.0.0.1", FORWARDED_PER_CLIENT_MAX);
  expect(await forwarder.forward(query("one-more.test"), "10.0.0.1")).toBeUndefined();
  expect(await forwarder.forward(query(ANSWERED), "10.0.0.2")).toBeInstanceOf(Buffer);
  // From the cache, which needs no part.
  expect(await forwarder.forward(query(ANSWERED), "10.0.0.1")).toBeInstanceOf(Buffer);
});

it("one client has a part of the queries that wait for the same name", async () => {
  await ask("10.0.0.1", 1);
  const again = (client: string) => forwarder.forward(query("n0.10.0.0.1.test"), client);
  for (let n = 0; n < SHARING_PER_CLIENT_MAX; n++) void again("10.0.0.1");
  const other = again("10.0.0.2");
  const waits = Promise.resolve("waits");
  expect(await Promise.race([again("10.0.0.1"), waits])).toBeUndefined();
  expect(await Promise.race([other, waits])).toBe("waits");
});

it("while all are taken, a query takes the place of one of the client with most", async () => {
  for (let n = 0; n < FORWARDED_MAX / FORWARDED_PER_CLIENT_MAX; n++) {
    await ask(`10.0.1.${n}`, FORWARDED_PER_CLIENT_MAX);
  }
  const displaced = forwarder.forward(query("n0.10.0.1.0.test"), "10.0.0.3");
  expect(await forwarder.forward(query(ANSWERED), "10.0.0.2")).toBeInstanceOf(Buffer);
  // Clients that waited for the same name get SERVFAIL, and may ask again.
  expect(await displaced).toBeUndefined();
  await ask("10.0.0.3", 1);
  expect(await forwarder.forward(query("one-more.test"), "10.0.1.0")).toBeUndefined();
});

it("a client whose queries are refused causes one line of the log, not one each", async () => {
  const lines: string[] = [];
  const warn = (line: string) => void lines.push(line);
  const upstreams = [{ address, port: upstream.address().port }];
  const log = { ...logger("dns-test"), warn };
  forwarder = createForwarder({ upstreams: () => upstreams, clock: new ManualClock(), log });
  await ask("10.0.0.1", FORWARDED_PER_CLIENT_MAX);
  for (let n = 0; n < 100; n++) await forwarder.forward(query(`x${n}.test`), "10.0.0.1");
  expect(lines).toEqual(["too many forwarded queries"]);
});

it("a query with a dot in a label shares no answer with the name that it looks like", async () => {
  const twoLabels = query("answered.example");
  const oneLabel = query("answered-example");
  oneLabel.bytes.write(".", oneLabel.bytes.indexOf("-"), "latin1");
  oneLabel.question.name = twoLabels.question.name;
  expect(readQuery(oneLabel.bytes)).toMatchObject({ question: twoLabels.question });
  void forwarder.forward(oneLabel, "10.0.0.1");
  void forwarder.forward(twoLabels, "10.0.0.2");
  await waitFor("both queries", () => received === 2);
});

it("an upstream resolver gets a client's question, but not its version or options of EDNS", () => {
  const strange = readQuery(
    packet.encode({
      id: 7,
      type: "query",
      flags: packet.RECURSION_DESIRED,
      questions: [{ name: "WWW.example.org", type: "A" }],
      answers: [],
      authorities: [],
      additionals: [
        {
          name: ".",
          type: "OPT",
          udpPayloadSize: 600,
          extendedRcode: 0,
          ednsVersion: 3,
          flags: 0x8000,
          options: [{ code: 65_001, data: Buffer.from("x") }],
        } as OptAnswer,
      ],
    }),
  ) as Query;
  expect(packet.decode(upstreamQuery(strange))).toMatchObject({
    id: 0,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name: "www.example.org", type: "A" }],
    additionals: [{ ednsVersion: 0, flags: 0x8000, udpPayloadSize: 1232, options: [] }],
  });
});

it("the list of resolvers is read again, and the last ones stay while there are none", async () => {
  const clock = new ManualClock();
  const all = [{ address, port: upstream.address().port }];
  let listed: typeof all = [];
  forwarder = createForwarder({ upstreams: () => listed, clock, log: logger("dns-test") });
  const resolve = (name: string) => forwarder.forward(query(name), "10.0.0.1");
  expect(await resolve(ANSWERED)).toBeUndefined();
  listed = all;
  expect(await resolve(ANSWERED)).toBeUndefined();
  clock.advance(UPSTREAMS_READ_MS);
  expect(await resolve(ANSWERED)).toBeInstanceOf(Buffer);
  listed = [];
  clock.advance(UPSTREAMS_READ_MS);
  await ask("10.0.0.2", 1);
});

it("a resolver that does not answer is asked last, and now and then by one query", async () => {
  const clock = new ManualClock();
  const [first, second] = [createSocket("udp4"), createSocket("udp4")];
  onTestFinished(() => void [first, second].map((socket) => socket.close()));
  let firstAnswers = false;
  const asked: Record<string, string[]> = { first: [], second: [] };
  const receive = (name: string, socket: Socket, answers: () => boolean) =>
    socket.on("message", (bytes, from) => {
      asked[name]!.push(packet.decode(bytes).questions?.[0]?.name ?? "");
      if (answers()) answer(socket, bytes, from);
    });
  receive("first", first, () => firstAnswers);
  receive("second", second, () => true);
  for (const socket of [first, second]) {
    socket.bind(0, address);
    await once(socket, "listening");
  }
  const upstreams = [first, second].map((socket) => ({ address, port: socket.address().port }));
  forwarder = createForwarder({ upstreams: () => upstreams, clock, log: logger("dns-test") });
  const resolve = (name: string) => forwarder.forward(query(name), "10.0.0.1");
  const seen = (name: string) => waitFor(name, () => asked["first"]!.includes(name));
  for (const name of ["a1.test", "a2.test"]) {
    const a = resolve(name);
    await seen(name);
    clock.advance(UPSTREAM_TIMEOUT_MS);
    expect(await a).toBeInstanceOf(Buffer);
  }
  expect(await resolve("b.test")).toBeInstanceOf(Buffer);
  const both = ["a1.test", "a2.test"];
  expect(asked).toEqual({ first: both, second: [...both, "b.test"] });
  clock.advance(UPSTREAM_REST_MS);
  const c = resolve("c.test");
  await seen("c.test");
  expect(await resolve("d.test")).toBeInstanceOf(Buffer);
  expect(asked["first"]).toEqual([...both, "c.test"]);
  clock.advance(UPSTREAM_TIMEOUT_MS);
  expect(await c).toBeInstanceOf(Buffer);
  clock.advance(UPSTREAM_REST_MS);
  firstAnswers = true;
  for (const name of ["e.test", "f.test"]) await resolve(name);
  expect(asked["first"]?.slice(3)).toEqual(["e.test", "f.test"]);
});

it("a resolver that answers others is asked first, however long one name takes it", async () => {
  const clock = new ManualClock();
  const silent = createSocket("udp4");
  onTestFinished(() => void silent.close());
  silent.bind(0, address);
  await once(silent, "listening");
  const upstreams = [upstream, silent].map((socket) => ({ address, port: socket.address().port }));
  forwarder = createForwarder({ upstreams: () => upstreams, clock, log: logger("dns-test") });
  void forwarder.forward(query("slow.test"), "10.0.0.1");
  await waitFor("the query", () => received === 1);
  clock.advance(1);
  expect(await forwarder.forward(query(ANSWERED), "10.0.0.1")).toBeInstanceOf(Buffer);
  const second = once(silent, "message");
  clock.advance(UPSTREAM_TIMEOUT_MS);
  await second;
  void forwarder.forward(query("next.test"), "10.0.0.1");
  await waitFor("the next query", () => received === 3);
});

it("an answer over TCP that comes byte by byte is copied once", async () => {
  const bound = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.setNoDelay(true).once("data", async (asked) => {
      const whole = Buffer.concat([asked, Buffer.alloc(100)]);
      whole.writeUInt16BE(whole.length - 2);
      whole.writeUInt8(0x80, 4);
      for (const byte of whole) {
        socket.write(Buffer.of(byte));
        await new Promise<void>((read) => setImmediate(read));
      }
    });
  });
  const port = await freePort();
  const truncates = createSocket("udp4").bind(port, address);
  onTestFinished(() => void [bound, truncates].map((each) => each.close()));
  truncates.on("message", (bytes, from) => {
    const short = Buffer.from(bytes);
    short.writeUInt8(0x82, 2);
    truncates.send(short, from.port, from.address);
  });
  await Promise.all([once(bound.listen(port, address), "listening"), once(truncates, "listening")]);
  const log = logger("dns-test");
  forwarder = createForwarder({
    upstreams: () => [{ address, port }],
    clock: new ManualClock(),
    log,
  });
  const copied = vi.spyOn(Buffer, "concat");
  onTestFinished(() => copied.mockRestore());
  const answer = await forwarder.forward(query("large.test"), "10.0.0.1");
  const sizes = copied.mock.results.map(({ value }) => (value as Buffer).length);
  expect(answer!.length).toBeGreaterThan(100);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(4 * answer!.length);
});
