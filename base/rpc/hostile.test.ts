import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { type Duplex, duplexPair } from "node:stream";
import { FLAG, FRAME, H2_ERROR, PREFACE } from "@raft2kube/h2/frame.ts";
import { HpackEncoder } from "@raft2kube/h2/hpack/encoder.ts";
import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";
import {
  FRAME_BYTES_MAX,
  HEADER_LIST_BYTES_MAX,
  IDLE_FRAMES_MAX,
  RESETS_MAX,
  STREAM_WINDOW_BYTES,
  WAITING_ANSWERS_BYTES_MAX,
} from "@raft2kube/h2/limits.ts";
import { KV, Maintenance, Watch } from "@raft2kube/proto/gen/etcd.ts";
import { Health } from "@raft2kube/proto/gen/health.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { INPUT_TURN_MS } from "@raft2kube/std/limits.ts";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { afterEach, expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { frameMessage, RawClient, rawFrame } from "../../testing/raw-client.ts";
import { client as callerOf, connectGrpc } from "./client.ts";
import { Connections } from "./connections.ts";
import { Deadlines } from "./deadlines.ts";
import { RpcError, Status } from "./error.ts";
import { holdBytes } from "./grpc-call.ts";
import { MessageReader } from "./grpc-message.ts";
import {
  ERROR_TEXT_BYTES_MAX,
  FIRST_BYTES_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  STALLED_ANSWERS_TIMEOUT_MS,
  STREAM_ANSWERS_BYTES_MAX,
  UNFINISHED_REQUESTS_BYTES_MAX,
} from "./limits.ts";
import { routesOf, type ServedService } from "./routes.ts";
import { type Call, serve, serveGrpc } from "./server.ts";

const dir = suiteFolder("r2k-rpc-");
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const CHECK = "/grpc.health.v1.Health/Check";
const RANGE = "/etcdserverpb.KV/Range";
const EMPTY = frameMessage(Buffer.alloc(0));
const MIB = 1024 * 1024;

const OK = { check: () => ({ status: 1 }) };

/** Serves health, answered immediately unless said otherwise, and the other services of a test. */
async function start(...services: ServedService[]) {
  const path = join(dir, "rpc.sock");
  const server = await serveGrpc({
    listen: { path },
    services: [serve(Health, OK), ...services],
    messageBytes_max: 2 * MIB,
  });
  const client = await RawClient.connect(path);
  closers.push(server.close, () => client.socket.destroy());
  return client;
}

/** Connections of a server without a socket, and a client of one of them. */
function paired(service: ServedService) {
  const clock = new ManualClock();
  const [routes, http] = [routesOf([service]), undefined];
  const connections = new Connections({
    clock,
    routes,
    messageBytes_max: MIB,
    streams_max: 100,
    http,
  });
  const [near, far] = duplexPair();
  connections.add(far);
  return { clock, connections, near, far, client: new RawClient(near) };
}

const goneWith = async (client: RawClient, reason: keyof typeof H2_ERROR) => {
  await expect.poll(() => client.closed).toBe(true);
  expect(client.errorOf(FRAME.GOAWAY)).toBe(H2_ERROR[reason]);
};

/** The next call of a well-behaved client is answered. */
const stillServes = async () => {
  const client = await RawClient.connect(join(dir, "rpc.sock"));
  closers.push(() => client.socket.destroy());
  client.call(1, CHECK, EMPTY);
  await expect.poll(() => client.fields(1)["grpc-status"]).toBe("0");
};

test("rapid reset: a client that opens and resets streams loses its connection", async () => {
  let running = 0;
  const client = await start(serve(Health, { check: () => new Promise(() => running++) }));
  for (let i = 0; i < 3 * RESETS_MAX; i++) {
    client.call(2 * i + 1, CHECK, EMPTY);
    client.send(FRAME.RST_STREAM, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8]));
  }
  await goneWith(client, "ENHANCE_YOUR_CALM");
  expect(running).toBeLessThan(2 * RESETS_MAX);
});

test("errors that a client provokes on its streams count as resets", async () => {
  const client = await start();
  for (let i = 0; i < 3 * RESETS_MAX; i++) {
    client.open(2 * i + 1, CHECK);
    client.send(FRAME.WINDOW_UPDATE, 0, 2 * i + 1, Buffer.alloc(4));
  }
  await goneWith(client, "ENHANCE_YOUR_CALM");
});

test("CONTINUATION flood: a header block without end", async () => {
  const client = await start();
  client.send(FRAME.HEADERS, 0, 1, Buffer.from([0x82]));
  for (let i = 0; i < 100; i++) client.send(FRAME.CONTINUATION, 0, 1, Buffer.from([0x86]));
  await goneWith(client, "ENHANCE_YOUR_CALM");
});

test("header flood: a list past the limit is refused, the connection goes on", async () => {
  const client = await start();
  const long = "x".repeat(4_000);
  client.open(1, CHECK, [["a", long]]);
  // One byte each for a field that the table has.
  const add = Buffer.concat([Buffer.from("4001617fa11e", "hex"), Buffer.from(long)]);
  const bomb = Buffer.alloc(HEADER_LIST_BYTES_MAX / 8, 0xbe);
  const block = Buffer.concat([add, bomb]);
  client.send(FRAME.HEADERS, FLAG.END_HEADERS, 3, block);
  client.call(5, CHECK, EMPTY);
  await expect.poll(() => client.fields(5)["grpc-status"]).toBe("0");
  expect(client.fields(3)).toEqual({ ":status": "431" });
});

test.each(["x", "%", "\u00ff"])("a long path of %j is answered in few words", async (letter) => {
  const client = await start();
  const fields: HeaderField[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", `/${letter.repeat(60_000)}/y`],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ];
  const block = new HpackEncoder().encode(fields);
  const parts = Array.from({ length: Math.ceil(block.length / FRAME_BYTES_MAX) }, (_, i) =>
    block.subarray(i * FRAME_BYTES_MAX, (i + 1) * FRAME_BYTES_MAX),
  );
  parts.forEach((part, i) => {
    const flags = i === parts.length - 1 ? FLAG.END_HEADERS : 0;
    client.send(i === 0 ? FRAME.HEADERS : FRAME.CONTINUATION, flags, 1, part);
  });
  client.call(3, CHECK, EMPTY);
  await expect.poll(() => client.fields(3)["grpc-status"]).toBe("0");
  const { "grpc-status": status, "grpc-message": said = "" } = client.fields(1);
  expect(status).toBe(String(Status.UNIMPLEMENTED));
  expect(said).toMatch(/^unknown service .*\.\.\.$/);
  expect(said.length).toBeLessThanOrEqual(ERROR_TEXT_BYTES_MAX + 3);
});

test.each([10_000, 100_000, 1_000_000])(
  "an error of %i bytes is cut, and ends neither connection nor process",
  async (length) => {
    const text = "\u{1f600}".repeat(length / 4);
    const error = new RpcError(Status.UNKNOWN, text);
    const fails = serve(Health, { check: () => Promise.reject(error) });
    const server = await serveGrpc({ listen: { path: join(dir, "long.sock") }, services: [fails] });
    const channel = connectGrpc(`unix://${join(dir, "long.sock")}`);
    closers.push(server.close, () => channel.close());
    const health = callerOf(channel, Health);
    for (let i = 0; i < 2; i++) {
      const failed: unknown = await health.check({}).catch((thrown: unknown) => thrown);
      expect(failed).toMatchObject({ status: Status.UNKNOWN });
      expect((failed as RpcError).message).toMatch(/^(\u{1f600})+\.\.\.$/u);
    }
  },
);

test("many calls, each with a deadline of its own", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  let met = 0;
  for (let i = 1; i <= 200_000; i++) deadlines.add(i * 20, { expire: () => met++ });
  for (let i = 1; i <= 3; i++) {
    clock.advance(20);
    expect(met).toBe(i);
  }
  deadlines.close();
});

test.each<[string, number, Buffer, number?]>([
  ["PING", FRAME.PING, Buffer.alloc(8)],
  ["SETTINGS", FRAME.SETTINGS, Buffer.alloc(0)],
  ["PRIORITY", FRAME.PRIORITY, Buffer.alloc(5)],
  ["WINDOW_UPDATE", FRAME.WINDOW_UPDATE, Buffer.from([0, 0, 0, 1])],
  ["frames of unknown types", 0xbe, Buffer.alloc(3)],
  ["empty data", FRAME.DATA, Buffer.alloc(0)],
  ["data that is padding alone", FRAME.DATA, Buffer.alloc(1), FLAG.PADDED],
])("a flood of %s", async (_name, type, payload, flags = 0) => {
  const client = await start();
  const ofStream = type === FRAME.PRIORITY || type === FRAME.DATA;
  if (ofStream) client.open(1, CHECK);
  const flood = rawFrame(type, flags, ofStream ? 1 : 0, payload);
  client.socket.write(Buffer.concat(Array<Buffer>(2 * IDLE_FRAMES_MAX).fill(flood)));
  await goneWith(client, "ENHANCE_YOUR_CALM");
});

test("a frame larger than was agreed", async () => {
  const client = await start();
  client.open(1, CHECK);
  client.send(FRAME.DATA, 0, 1, Buffer.alloc(16_385));
  await goneWith(client, "FRAME_SIZE_ERROR");
});

test("data for a call that has failed is passed over", async () => {
  const client = await start();
  client.open(1, "/grpc.health.v1.Health/Nothing");
  for (let sent = 0; sent <= STREAM_WINDOW_BYTES; sent += FRAME_BYTES_MAX) {
    client.send(FRAME.DATA, 0, 1, Buffer.alloc(FRAME_BYTES_MAX));
  }
  client.call(3, CHECK, EMPTY);
  await expect.poll(() => client.fields(3)["grpc-status"]).toBe("0");
  expect(client.fields(1)["grpc-status"]).toBe("12");
});

test("more requests than the stream's window allows, and a handler that takes none", async () => {
  async function* watch() {
    yield await new Promise<never>(() => undefined);
  }
  const client = await start(serve(Watch, { watch }));
  client.open(1, "/etcdserverpb.Watch/Watch");
  const unknownField = Buffer.concat([Buffer.from("fa3ff87f", "hex"), Buffer.alloc(16_376)]);
  const message = frameMessage(unknownField);
  const bytes = Buffer.concat(Array<Buffer>(70).fill(message));
  for (let at = 0; at < bytes.length; at += FRAME_BYTES_MAX) {
    client.send(FRAME.DATA, 0, 1, bytes.subarray(at, at + FRAME_BYTES_MAX));
  }
  await expect.poll(() => client.errorOf(FRAME.RST_STREAM)).toBe(H2_ERROR.FLOW_CONTROL_ERROR);
  await stillServes();
});

test("a client that never reads: its answers are bounded, then its calls refused", async () => {
  let calls = 0;
  const kvs = [{ key: Buffer.from("k"), value: Buffer.alloc(MIB) }];
  const client = await start(serve(KV, { range: () => (calls++, { kvs }) }));
  client.socket.pause();
  const most = WAITING_ANSWERS_BYTES_MAX / MIB;
  for (let i = 0; i < 3 * most; i++) client.call(2 * i + 1, RANGE, EMPTY);
  await expect.poll(() => calls).toBeGreaterThan(most - 1);
  await stillServes();
  expect(calls).toBeLessThan(most + 16);
});

test("a message is refused by its announced length", async () => {
  const client = await start();
  const huge = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]);
  client.open(1, CHECK);
  client.send(FRAME.DATA, 0, 1, huge);
  await expect
    .poll(() => client.fields(1))
    .toMatchObject({
      "grpc-status": "8",
      "grpc-message": `grpc: received message larger than max (2147483647 vs. ${2 * MIB})`,
    });
});

test.each<[string, Buffer, [string, string][], string, string]>([
  [
    "compressed, with a name",
    Buffer.from([1, 0, 0, 0, 0]),
    [["grpc-encoding", "gzip"]],
    "12",
    'grpc: Decompressor is not installed for grpc-encoding "gzip"',
  ],
  [
    "compressed, without",
    Buffer.from([1, 0, 0, 0, 0]),
    [],
    "13",
    "grpc: compressed flag set with identity or empty encoding",
  ],
  [
    "no protobuf",
    frameMessage(Buffer.from([0x0a, 5, 1])),
    [],
    "13",
    "grpc: error unmarshalling request: grpc.health.v1.HealthCheckRequest",
  ],
  [
    "cut short",
    Buffer.from([0, 0, 0, 0, 9, 1]),
    [],
    "13",
    "the call ended without a whole request",
  ],
  ["two messages", Buffer.concat([EMPTY, EMPTY]), [], "13", "a unary call with two requests"],
  [
    "no such deadline",
    EMPTY,
    [["grpc-timeout", "5 parsecs"]],
    "13",
    "malformed grpc-timeout: 5 parsecs",
  ],
])("a request that is %s", async (_name, body, more, status, message) => {
  const client = await start();
  client.call(1, CHECK, body, more);
  await expect.poll(() => client.fields(1)["grpc-status"]).toBe(status);
  expect(decodeURIComponent(client.fields(1)["grpc-message"]!)).toContain(message);
  client.call(3, CHECK, EMPTY);
  await expect.poll(() => client.fields(3)["grpc-status"]).toBe("0");
});

test.each([
  ["/no.Service/Check", "unknown service no.Service"],
  ["/grpc.health.v1.Health/Chekc", "unknown method Chekc for service grpc.health.v1.Health"],
  ["/grpc.health.v1.Health/Watch", "grpc.health.v1.Health/Watch is not implemented"],
  ["Check", 'malformed method name: "Check"'],
])("a call of %s", async (path, message) => {
  const client = await start();
  client.call(1, path, EMPTY);
  await expect.poll(() => client.fields(1)["grpc-status"]).toBe("12");
  expect(decodeURIComponent(client.fields(1)["grpc-message"]!)).toBe(message);
});

test("a deadline ends the call, on the server too", async () => {
  const signals: AbortSignal[] = [];
  const check = (_request: unknown, call: Call) => {
    return new Promise<never>(() => signals.push(call.signal));
  };
  const client = await start(serve(Health, { check }));
  client.call(1, CHECK, EMPTY, [["grpc-timeout", "50m"]]);
  await expect.poll(() => client.fields(1)["grpc-status"]).toBe("4");
  expect(signals[0]?.aborted).toBe(true);
});

test("slow bodies and silent connections are given up", async () => {
  const { clock, connections, far, client: slow } = paired(serve(Health, OK));
  const [, silent] = duplexPair();
  connections.add(silent);
  slow.open(1, CHECK);
  slow.send(FRAME.DATA, 0, 1, Buffer.from([0, 0, 0, 0, 9]));
  await expect.poll(() => slow.frames.length).toBeGreaterThan(1);
  clock.advance(FIRST_BYTES_TIMEOUT_MS);
  expect([silent.destroyed, far.destroyed]).toEqual([true, false]);
  clock.advance(2 * REQUEST_TIMEOUT_MS);
  await expect.poll(() => slow.errorOf(FRAME.RST_STREAM)).toBe(H2_ERROR.CANCEL);
});

test("a stream of answers that is not read ends, and with it what it holds", async () => {
  let [sent, holds] = [0, true];
  const answer = { remainingBytes: 0, blob: Buffer.alloc(STREAM_ANSWERS_BYTES_MAX) };
  async function* snapshot() {
    try {
      for (;;) yield (sent++, answer);
    } finally {
      holds = false;
    }
  }
  const { clock, client } = paired(serve(Maintenance, { snapshot }));
  // It never opens its windows.
  client.call(1, "/etcdserverpb.Maintenance/Snapshot", EMPTY);
  await expect.poll(() => client.frames.length).toBeGreaterThan(4);
  expect(sent).toBeLessThan(5);
  clock.advance(STALLED_ANSWERS_TIMEOUT_MS - 1);
  expect(holds).toBe(true);
  clock.advance(1);
  await expect.poll(() => client.errorOf(FRAME.RST_STREAM)).toBe(H2_ERROR.CANCEL);
  await expect.poll(() => holds).toBe(false);
});

test("a closing server ends streams of requests at once: their clients would not", async () => {
  const taken: unknown[] = [];
  async function* watch(requests: AsyncIterable<unknown>) {
    for await (const request of requests) {
      taken.push(request);
      yield {};
    }
  }
  // The clock stands still: waiting for other calls' deadlines never ends.
  const { connections, near, client } = paired(serve(Watch, { watch }));
  near.once("end", () => near.end());
  client.open(1, "/etcdserverpb.Watch/Watch");
  client.send(FRAME.DATA, 0, 1, EMPTY);
  await expect.poll(() => taken.length).toBe(1);
  await connections.close();
  await expect.poll(() => client.fields(1)["grpc-status"]).toBe("0");
});

test("a preface byte by byte is a preface; its begin alone costs nothing", async () => {
  await start();
  const socket = connect(join(dir, "rpc.sock"));
  closers.push(() => socket.destroy());
  socket.write("P");
  await stillServes();
  let seen = 0;
  socket.on("data", ({ length }: Buffer) => (seen += length));
  for (const byte of PREFACE.subarray(1)) socket.write(Buffer.from([byte]));
  // The server's own settings.
  await expect.poll(() => seen).toBeGreaterThan(0);
});

test("unfinished requests of all connections together are bounded", () => {
  const context = { unfinishedBytes: 0 } as Parameters<typeof holdBytes>[0];
  holdBytes(context, UNFINISHED_REQUESTS_BYTES_MAX);
  expect(() => holdBytes(context, 1)).toThrow(expect.objectContaining({ status: 8 }));
  holdBytes(context, -1);
});

const SEED = Number(process.env["R2K_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test(`any bytes at all end at most their own connection (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const below = (high: number) => randomInteger(random, 0, high);
  await start();
  for (let round = 0; round < 100; round++) {
    const client = await RawClient.connect(join(dir, "rpc.sock"));
    for (let i = 0; i < 20; i++) {
      const payload = Buffer.from(Array.from({ length: below(30) }, () => below(256)));
      client.send(below(11), below(256), below(8), payload);
    }
    client.socket.destroy();
  }
  await stillServes();
});

test("a message in parts does not retain the buffers of its parts", () => {
  const reader = new MessageReader(MIB, undefined);
  const whole = Buffer.concat([frameMessage(Buffer.from("first")), frameMessage(Buffer.alloc(9))]);
  const found: Buffer[] = [];
  for (const byte of whole) {
    const part = Buffer.of(byte);
    found.push(...reader.push(part));
    part.fill(0xff);
    // The memory, not the bytes of the message, is counted.
    expect(reader.heldBytes).toBeLessThanOrEqual(64);
  }
  expect(found).toEqual([Buffer.from("first"), Buffer.alloc(9)]);
  expect(reader.heldBytes).toBe(0);
});

/**
 * Requests that arrive together on connections of their own; returns how many are served in each
 * turn.
 */
async function servedByTurn(send: (path: string) => Promise<Duplex>): Promise<number[]> {
  const clock = new ManualClock();
  const path = join(dir, "turns.sock");
  let turns = 0;
  const served: number[] = [];
  const serveOne = () => {
    served[turns] = (served[turns] ?? 0) + 1;
    clock.advance(INPUT_TURN_MS);
  };
  const server = await serveGrpc({
    listen: { path },
    services: [serve(Health, { check: () => (serveOne(), { status: 1 }) })],
    http: (_request, response) => (serveOne(), void response.end("ok")),
    turns: new InputTurns(clock),
  });
  closers.push(server.close);
  let counting = true;
  const count = () => {
    turns++;
    if (counting) setImmediate(count);
  };
  count();
  const sockets: Duplex[] = [];
  for (let i = 0; i < 10; i++) sockets.push(await send(path));
  const sum = () => served.reduce((all, each) => all + each, 0);
  // Held back until all are there.
  for (const socket of sockets) socket.uncork();
  await expect.poll(sum).toBe(10);
  counting = false;
  for (const socket of sockets) socket.destroy();
  return served.filter((each) => each !== undefined);
}

test("what many connections send at once is served over as many turns as it takes", async () => {
  const http2 = await servedByTurn(async (path) => {
    const client = await RawClient.connect(path);
    await expect.poll(() => client.frames.length).toBeGreaterThan(1);
    client.socket.cork();
    client.call(1, CHECK, EMPTY);
    return client.socket;
  });
  const http1 = await servedByTurn(async (path) => {
    const socket = connect(path);
    socket.on("error", () => undefined);
    await once(socket, "connect");
    socket.resume().cork();
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return socket;
  });
  expect(Math.max(...http2, ...http1)).toBeLessThanOrEqual(2);
});
