import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { logger } from "@raft2kube/observe/log.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import packet, { type OptAnswer } from "dns-packet";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FORWARDED_MAX, FORWARDED_PER_CLIENT_MAX } from "../limits.ts";
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
    const { id = 0, questions = [] } = packet.decode(bytes);
    if (questions[0]?.name !== ANSWERED) return;
    upstream.send(
      packet.encode({
        id,
        type: "response",
        flags: 0,
        questions,
        answers: [],
        authorities: [],
        additionals: [],
      }),
      from.port,
      from.address,
    );
  });
  upstream.bind(0, address);
  await once(upstream, "listening");
  const upstreams = [{ address, port: upstream.address().port }];
  forwarder = createForwarder({ upstreams, clock: new ManualClock(), log: logger("dns-test") });
});
afterEach(() => upstream.close());

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
  await waitFor("the queries", () => received === before + count, { clock: systemClock() });
}

it("one client has a part of the forwarded queries, and others go on", async () => {
  await ask("10.0.0.1", FORWARDED_PER_CLIENT_MAX);
  expect(await forwarder.forward(query("one-more.test"), "10.0.0.1")).toBeUndefined();
  expect(await forwarder.forward(query(ANSWERED), "10.0.0.2")).toBeInstanceOf(Buffer);
  // From the cache, which needs no part.
  expect(await forwarder.forward(query(ANSWERED), "10.0.0.1")).toBeInstanceOf(Buffer);
});

it("all clients together have as many as there are", async () => {
  for (let n = 0; n < FORWARDED_MAX / FORWARDED_PER_CLIENT_MAX; n++) {
    await ask(`10.0.1.${n}`, FORWARDED_PER_CLIENT_MAX);
  }
  expect(await forwarder.forward(query(ANSWERED), "10.0.0.2")).toBeUndefined();
});

it("a client whose queries are refused causes one line of the log, not one each", async () => {
  const lines: string[] = [];
  const warn = (line: string) => void lines.push(line);
  const upstreams = [{ address, port: upstream.address().port }];
  const log = { ...logger("dns-test"), warn };
  forwarder = createForwarder({ upstreams, clock: new ManualClock(), log });
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
  await waitFor("both queries", () => received === 2, { clock: systemClock() });
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
