import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import packet, { type Answer } from "dns-packet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../testing/free-port.ts";
import { AnswerCache, timeToLive } from "../forward/cache.ts";
import { createForwarder } from "../forward/forwarder.ts";
import { machineUpstreams, nameserversOf } from "../forward/upstreams.ts";
import { CACHE_BYTES_MAX, CACHE_BYTES_PER_CLIENT_MAX } from "../limits.ts";
import { createResolver, type Resolve } from "../resolver.ts";
import { viewOf } from "../testing/view.ts";
import { type Query, RCODE, replyOf, writeReply } from "../wire/message.ts";
import { listenTcp } from "./tcp.ts";
import { type Listener, listenUdp } from "./udp.ts";

// An upstream resolver and a cluster's server that forwards to it: real sockets on loopback.
const ADDRESS = "127.0.0.1";
/** Datagrams: the kernel's default buffer takes some 280, the largest that it allows some 550. */
const BURST = 400;
const log = logger("dns-test");
const closing: Listener[] = [];
const forwarded: string[] = [];
let server: Listener;
let synced = true;

const many = Array.from({ length: 60 }, (_, at) => `10.244.1.${at + 1}`);

const shop = (name: string, spec: Service["spec"]): Service => ({
  metadata: { name, namespace: "shop" },
  spec,
});

const VIEW = viewOf(
  [
    shop("big", { clusterIP: "None" }),
    shop("docs", { type: "ExternalName", externalName: "docs.example.org" }),
    shop("alias", { type: "ExternalName", externalName: "big.shop.svc.cluster.local" }),
    shop("circle", { type: "ExternalName", externalName: "circle.shop.svc.cluster.local" }),
  ],
  [
    {
      metadata: { name: "s", namespace: "shop", labels: { "kubernetes.io/service-name": "big" } },
      addressType: "IPv4",
      ports: [],
      endpoints: many.map((address) => ({ addresses: [address] })),
    },
  ],
);

/** Answers as the upstream resolver. */
const upstreamResolver: Resolve = async (query, limit) => {
  const { name } = query.question;
  forwarded.push(name);
  if (name === "silent.example.org") return new Promise<never>(() => {});
  const a = (data: string): Answer => ({ name, type: "A", ttl: 300, data });
  if (name === "docs.example.org") return reply(query, limit, [a("192.0.2.1")]);
  if (name === "large.example.org") return reply(query, limit, many.map(a));
  return writeReply(query, replyOf(RCODE.NXDOMAIN), limit);
};

const reply = (query: Query, limit: number, answers: Answer[]) =>
  writeReply(query, replyOf(RCODE.NOERROR, { answers }), limit);

async function listen(resolve: Resolve): Promise<Listener> {
  // A port that the kernel selects for UDP may be in use for TCP.
  const at = { address: ADDRESS, port: await freePort() };
  const udp = await listenUdp(at, resolve, log);
  closing.push(udp, await listenTcp(at, resolve, log));
  return udp;
}

beforeAll(async () => {
  const upstream = await listen(upstreamResolver);
  const upstreams = [{ address: ADDRESS, port: upstream.port }];
  const clock = systemClock();
  const forwarder = createForwarder({ upstreams: () => upstreams, clock, log, timeout_ms: 1_000 });
  const zone = { domain: "cluster.local", ttl_s: 5 };
  server = await listen(
    createResolver({ view: () => (synced ? VIEW : undefined), zone, forwarder }),
  );
});

afterAll(() => Promise.all(closing.map((listener) => listener.close())));

/** Runs Debian's dig, an independent client. */
function dig(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const all = [`@${ADDRESS}`, "-p", String(server.port), "+tries=1", "+time=20", ...args];
    execFile("dig", all, (error, stdout) => {
      // Its status is 9 if no answer came; callers read that from the output.
      if (error && stdout === "") reject(error);
      else resolve(stdout);
    });
  });
}

function datagram(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.on("message", (message) => {
      socket.close();
      resolve(message);
    });
    socket.send(bytes, server.port, ADDRESS);
  });
}

describe("size", () => {
  const name = "big.shop.svc.cluster.local";

  test("sixty addresses fit one datagram with EDNS, owner names being compressed", async () => {
    const output = await dig(name, "+notcp", "+ignore", "+bufsize=1232");
    expect(output).toMatch(/ANSWER: 60/);
    expect(output).not.toMatch(/flags:[^;]* tc/);
  });

  test.each([
    ["", name],
    [" of another name", "alias.shop.svc.cluster.local"],
  ])("addresses%s come in another order each time", async (_, asked) => {
    const [one = [], other = []] = await Promise.all(
      [1, 2].map(async () => (await dig(asked, "+short")).match(/^[\d.]+$/gm) ?? []),
    );
    expect(one).not.toEqual(other);
    expect([one.toSorted(), other.toSorted()]).toEqual([many.toSorted(), many.toSorted()]);
  });

  test("without EDNS the answer is truncated with TC set; over TCP it is complete", async () => {
    const truncated = await dig(name, "+notcp", "+noedns", "+ignore");
    expect(truncated).toMatch(/flags: qr aa tc/);
    const complete = await dig(name, "+noedns");
    expect(complete).toMatch(/ANSWER: 60/);
    expect(complete).toMatch(/TCP/);
  });
});

describe("EDNS", () => {
  test("of a later version is BADVERS", async () => {
    const output = await dig("big.shop.svc.cluster.local", "+edns=1", "+noednsnegotiation");
    expect(output).toMatch(/status: BADVERS/);
    expect(output).toMatch(/ANSWER: 0/);
  });

  test("repeats whether DNSSEC's records were asked for", async () => {
    expect(await dig("big.shop.svc.cluster.local", "+dnssec")).toMatch(/EDNS:.*flags: do/);
    expect(await dig("big.shop.svc.cluster.local")).not.toMatch(/flags: do/);
  });
});

describe("names outside the cluster", () => {
  test("are forwarded and cached", async () => {
    forwarded.length = 0;
    expect(await dig("docs.example.org", "+short")).toBe("192.0.2.1\n");
    expect(await dig("DOCS.example.org", "+noall", "+answer")).toMatch(/192\.0\.2\.1/);
    expect(forwarded).toEqual(["docs.example.org"]);
    expect(await dig("absent.example.org")).toMatch(/status: NXDOMAIN/);
  });

  test("an answer too large for a datagram is requested over TCP", async () => {
    expect(await dig("large.example.org", "+tcp")).toMatch(/ANSWER: 60/);
    expect(await dig("large.example.org", "+notcp", "+noedns", "+ignore")).toMatch(/flags:[^;]*tc/);
  });

  test("a resolver that does not answer is SERVFAIL", async () => {
    expect(await dig("silent.example.org")).toMatch(/status: SERVFAIL/);
  });

  test("without a resolver they are SERVFAIL at once", async () => {
    const forwarder = createForwarder({ upstreams: () => [], clock: systemClock(), log });
    const bytes = packet.encode({
      id: 1,
      type: "query",
      flags: 0,
      questions: [{ name: "x.org", type: "A", class: "IN" }],
      answers: [],
      authorities: [],
      additionals: [],
    });
    const question = { name: "x.org", type: "A", class: "IN" };
    const query = {
      id: 1,
      question,
      recursionDesired: true,
      udpPayloadSize: undefined,
      dnssecOk: false,
      bytes,
    };
    expect(await forwarder.forward(query, ADDRESS)).toBeUndefined();
  });
});

describe("an ExternalName", () => {
  test("is resolved by the upstream resolver", async () => {
    const output = await dig("docs.shop.svc.cluster.local", "+noall", "+answer");
    expect(output).toMatch(/CNAME\s+docs\.example\.org/);
    expect(output).toMatch(/docs\.example\.org\.\s+\d+\s+IN\s+A\s+192\.0\.2\.1/);
  });

  test("that names itself is SERVFAIL", async () => {
    expect(await dig("circle.shop.svc.cluster.local")).toMatch(/status: SERVFAIL/);
  });
});

describe("invalid input", () => {
  const header = (fields: number[]) => Buffer.from([0, 7, ...fields]);

  test("a malformed question is FORMERR", async () => {
    const start = header([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    const bytes = Buffer.concat([start, Buffer.from([0xc0, 0xff])]);
    const answer = await datagram(bytes);
    expect(answer.readUInt16BE(0)).toBe(7);
    expect(answer.readUInt8(3) & 0x0f).toBe(RCODE.FORMERR);
  });

  // Thousands of records with one long name take half a second to read.
  test.each([
    ["two questions", 4, 2],
    ["an answer", 6, 1],
    ["an authority", 8, 1],
    ["more additionals than EDNS and a signature", 10, 3],
  ])("a query with %s is FORMERR before its records are read", async (_what, at, count) => {
    const record = Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 0, 0, 1]);
    const question = Buffer.from([1, 0x61, 0, 0, 1, 0, 1]);
    const start = header([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    const sent = Buffer.concat([start, question, record, record, record]);
    sent.writeUInt16BE(count, at);
    expect((await datagram(sent)).readUInt8(3) & 0x0f).toBe(RCODE.FORMERR);
  });

  test("an update is NOTIMP, a compression loop FORMERR", async () => {
    const update = header([0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect((await datagram(update)).readUInt8(3) & 0x0f).toBe(RCODE.NOTIMP);
    const loop = Buffer.concat([
      header([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      Buffer.from([0xc0, 12, 0, 1, 0, 1]),
    ]);
    expect((await datagram(loop)).readUInt8(3) & 0x0f).toBe(RCODE.FORMERR);
  });

  test("another class and type ANY are REFUSED", async () => {
    expect(await dig("version.bind", "CH", "TXT")).toMatch(/status: REFUSED/);
    expect(await dig("big.shop.svc.cluster.local", "ANY", "+notcp")).toMatch(/status: REFUSED/);
  });

  test("all queries of one TCP connection are answered", async () => {
    const count = 100;
    const query = packet.encode({
      id: 9,
      type: "query",
      flags: packet.RECURSION_DESIRED,
      questions: [{ name: "cluster.local", type: "SOA", class: "IN" }],
      answers: [],
      authorities: [],
      additionals: [],
    });
    const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
    const bytes = await new Promise<number>((resolve, reject) => {
      const socket = connect(server.port, ADDRESS, () => {
        socket.write(Buffer.concat(Array<Buffer>(count).fill(framed)));
      });
      let received = Buffer.alloc(0);
      socket.on("data", (part) => {
        received = Buffer.concat([received, part]);
        const one = received.length >= 2 ? 2 + received.readUInt16BE(0) : Infinity;
        if (received.length < one * count) return;
        socket.destroy();
        resolve(received.length / one);
      });
      socket.on("error", reject);
    });
    expect(bytes).toBe(count);
  });

  test("a burst of one client in one turn drops no query of another", async () => {
    const query = packet.encode({
      id: 9,
      type: "query",
      flags: packet.RECURSION_DESIRED,
      questions: [{ name: "cluster.local", type: "SOA", class: "IN" }],
      answers: [],
      authorities: [],
      additionals: [],
    });
    const [flood, other] = [createSocket("udp4"), createSocket("udp4")];
    other.bind(0, "127.0.0.2");
    await once(other, "listening");
    for (const socket of [flood, other]) socket.connect(server.port, ADDRESS);
    await Promise.all([once(flood, "connect"), once(other, "connect")]);
    const answered = once(other, "message", { signal: AbortSignal.timeout(10_000) });
    // More than the kernel's default buffer takes, sent before the server's loop reads any.
    for (let sent = 0; sent < BURST; sent++) flood.send(query);
    other.send(query);
    await answered;
    for (const socket of [flood, other]) socket.close();
  });

  test("before the informers have synchronized cluster names are SERVFAIL", async () => {
    synced = false;
    try {
      expect(await dig("big.shop.svc.cluster.local")).toMatch(/status: SERVFAIL/);
    } finally {
      synced = true;
    }
  });
});

describe("the cache", () => {
  const message = (ttl: number) =>
    packet.encode({
      id: 1,
      type: "response",
      flags: 0,
      questions: [{ name: "a.b", type: "A", class: "IN" }],
      answers: [{ name: "a.b", type: "A", ttl, data: "1.2.3.4" }],
      authorities: [],
      additionals: [],
    });

  test("reduces TTLs by age and drops expired answers", () => {
    const clock = new ManualClock();
    const cache = new AnswerCache();
    cache.put("k", message(10), clock.now(), "10.0.0.1");
    clock.advance(4_000);
    const cached = cache.get("k", clock.now());
    expect(cached && packet.decode(cached).answers).toMatchObject([{ ttl: 6 }]);
    clock.advance(6_000);
    expect(cache.get("k", clock.now())).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  test("caches no failure, and nothing longer than the limit", () => {
    const failed = message(100);
    failed.writeUInt8(RCODE.SERVFAIL, 3);
    expect(timeToLive(failed)).toBe(0);
    expect(timeToLive(message(86_400))).toBe(30);
  });

  test("has at most so many bytes, of a client and in all", () => {
    const cache = new AnswerCache();
    const large = packet.encode({
      ...packet.decode(message(10)),
      answers: Array.from(
        { length: 100 },
        (): Answer => ({
          name: "large.example.org",
          type: "TXT",
          ttl: 10,
          data: ["x".repeat(200)],
        }),
      ),
    });
    cache.put("other's", message(10), 0, "10.0.0.1");
    for (let at = 0; at < 1_000; at++) cache.put(`k${at}`, large, 0, "10.0.0.2");
    expect(cache.bytes).toBeLessThan(CACHE_BYTES_PER_CLIENT_MAX + 10_000);
    expect([cache.get("other's", 0), cache.get("k999", 0), cache.get("k0", 0)]).toEqual([
      expect.any(Buffer),
      expect.any(Buffer),
      undefined,
    ]);
    for (let at = 0; at < 1_000; at++) cache.put(`k${at}`, large, 0, `10.0.1.${at}`);
    expect(cache.bytes).toBeLessThanOrEqual(CACHE_BYTES_MAX);
    expect(cache.size).toBeGreaterThan(100);
  });
});

test("resolvers on loopback addresses are not used, as nodes cannot reach them", () => {
  const text = "# x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n";
  expect(nameserversOf(text)).toEqual(["127.0.0.53", "192.0.2.1", "fe80::1"]);
  expect(machineUpstreams(["/absent/resolv.conf"])).toEqual([]);
});
