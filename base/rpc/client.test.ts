import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createNetServer } from "node:net";
import { join } from "node:path";
import {
  status as grpcStatus,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { H2_ERROR } from "@raft2kube/h2/frame.ts";
import { KV, type PutRequest, Watch, type WatchRequest } from "@raft2kube/proto/gen/etcd.ts";
import { afterEach, describe, expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { client, connectGrpc } from "./client.ts";
import { RpcError, Status } from "./error.ts";
import { type Call, serve, serveGrpc } from "./server.ts";
import { serviceDefinition } from "./testing/service-definition.ts";

const dir = suiteFolder("r2k-rpc-");
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const MIB = 1024 * 1024;
const REASON = "50% größer als 100\n";

/** The requests that a server of either implementation received. */
interface Heard {
  /** The values of the puts that ended before their answer. */
  cancelled: string[];
  token: unknown;
}

/** Both servers: puts are echoed, key `fail` fails, key `wait` is never answered. */
async function ourServer(heard: Heard): Promise<string> {
  const put = ({ key, value }: PutRequest, call: Call) => {
    heard.token = call.metadata.get("token")[0];
    if (key.toString() === "fail") throw new RpcError(Status.OUT_OF_RANGE, REASON);
    if (key.toString() !== "wait") return { prevKv: { key, value } };
    call.signal.addEventListener("abort", () => heard.cancelled.push(value.toString()));
    return new Promise<never>(() => undefined);
  };
  async function* watch(requests: AsyncIterable<WatchRequest>) {
    for await (const { createRequest } of requests) {
      const count = Number(createRequest?.startRevision ?? 0);
      const cancelReason = "x".repeat(Number(createRequest?.watchId));
      for (let i = 0; i < count; i++) yield { watchId: BigInt(i), cancelReason };
    }
  }
  const services = [serve(KV, { put }), serve(Watch, { watch })];
  const server = await serveGrpc({ listen: { path: join(dir, "ours.sock") }, services });
  closers.push(server.close);
  return server.address;
}

async function grpcJsServer(heard: Heard): Promise<string> {
  const server = new Server({ "grpc.max_receive_message_length": 16 * MIB });
  const put = (call: ServerUnaryCall<PutRequest, unknown>, done: sendUnaryData<unknown>) => {
    const { key, value } = call.request;
    heard.token = call.metadata.get("token")[0];
    if (key.toString() === "fail") return done({ code: grpcStatus.OUT_OF_RANGE, details: REASON });
    if (key.toString() !== "wait") return done(null, { prevKv: { key, value } });
    call.on("cancelled", () => heard.cancelled.push(value.toString()));
  };
  const watch = (call: ServerDuplexStream<WatchRequest, unknown>) => {
    call.on("data", ({ createRequest }: WatchRequest) => {
      const count = Number(createRequest?.startRevision ?? 0);
      const cancelReason = "x".repeat(Number(createRequest?.watchId));
      for (let i = 0; i < count; i++) call.write({ watchId: BigInt(i), cancelReason });
    });
    call.on("end", () => call.end());
  };
  server.addService(serviceDefinition(KV), { put });
  server.addService(serviceDefinition(Watch), { watch });
  const port = await new Promise<number>((resolve, reject) => {
    const insecure = ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", insecure, (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  closers.push(() => server.forceShutdown());
  return `http://127.0.0.1:${port}`;
}

function open(address: string) {
  const channel = connectGrpc(address);
  closers.push(() => channel.close());
  return { kv: client(channel, KV), watch: client(channel, Watch).watch };
}

describe.each([
  ["our server", ourServer],
  ["grpc-js's server", grpcJsServer],
])("against %s", (_, start) => {
  const begin = async () => {
    const heard: Heard = { cancelled: [], token: undefined };
    return { heard, ...open(await start(heard)) };
  };

  test("messages of every size, many at a time", async () => {
    const { kv } = await begin();
    const sizes = [0, 1, 16_379, 16_380, 65_535, MIB, 10 * MIB, ...Array(500).fill(100)];
    const answers = await Promise.all(
      sizes.map((size, i) => kv.put({ key: Buffer.from(`${i}`), value: Buffer.alloc(size, i) })),
    );
    answers.forEach(({ prevKv }, i) => {
      expect(prevKv?.key.toString()).toBe(`${i}`);
      expect(prevKv?.value.equals(Buffer.alloc(sizes[i]!, i))).toBe(true);
    });
  });

  test("more in one turn than a socket takes, and than may wait in one", async () => {
    const { kv } = await begin();
    const value = Buffer.alloc(2_000);
    const puts = Array.from({ length: 3_000 }, () => kv.put({ value }));
    for (const { prevKv } of await Promise.all(puts)) expect(prevKv?.value).toHaveLength(2_000);
  });

  test("a failure carries its status and its words", async () => {
    const { kv } = await begin();
    const failed = kv.put({ key: Buffer.from("fail") });
    await expect(failed).rejects.toMatchObject({ status: Status.OUT_OF_RANGE, message: REASON });
  });

  test("metadata goes with the call", async () => {
    const { kv, heard } = await begin();
    await kv.put({}, { metadata: { Token: "secret" } });
    expect(heard.token).toBe("secret");
    await kv.put({});
    expect(heard.token).toBe(undefined);
  });

  test("a deadline and a signal end the call, and the server hears of it", async () => {
    const { kv, heard } = await begin();
    const key = Buffer.from("wait");
    // The deadline of a call that waits for its connection may pass before it is sent.
    await kv.put({});
    // A busy server may start a call after its deadline, and is not notified: the next one is
    // longer.
    for (let timeout_ms = 50; heard.cancelled.length === 0; timeout_ms *= 2) {
      const late = kv.put({ key, value: Buffer.from("late") }, { timeout_ms });
      await expect(late).rejects.toMatchObject({ status: Status.DEADLINE_EXCEEDED });
      await kv.put({});
    }
    const abort = new AbortController();
    const cancelled = kv.put({ key, value: Buffer.from("aborted") }, { signal: abort.signal });
    await kv.put({});
    abort.abort();
    await expect(cancelled).rejects.toMatchObject({ status: Status.CANCELLED });
    await expect.poll(() => heard.cancelled).toContain("aborted");
  });

  test("a stream both ways delivers all to a slow reader, and ends with its client", async () => {
    const { watch } = await begin();
    async function* requests() {
      yield { createRequest: { startRevision: 300, watchId: 60_000n } };
      yield { createRequest: { startRevision: 3, watchId: 1n } };
    }
    const ids: bigint[] = [];
    for await (const { watchId, cancelReason } of watch(requests())) {
      if (ids.length % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      expect(cancelReason.length).toBe(ids.length < 300 ? 60_000 : 1);
      ids.push(watchId);
    }
    const counted = Array.from({ length: 300 }, (_, i) => BigInt(i));
    expect(ids).toEqual([...counted, 0n, 1n, 2n]);
  });

  test("a stream that ends early leaves the connection open for others", async () => {
    const { watch, kv } = await begin();
    async function* requests() {
      yield { createRequest: { startRevision: 1_000, watchId: 5_000n } };
    }
    for (let round = 0; round < 20; round++) for await (const _ of watch(requests())) break;
    await kv.put({});
  });
});

/** A server of Node's own HTTP/2, which answers as a test wants. */
async function http2Server(
  onStream: (stream: ServerHttp2Stream, count: number) => void,
  streams_max = 100,
) {
  const server: Http2Server = createServer({ settings: { maxConcurrentStreams: streams_max } });
  let count = 0;
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    stream.resume();
    onStream(stream, ++count);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).kv;
}

const HEAD = { ":status": 200, "content-type": "application/grpc" };
const OK = { "grpc-status": "0" };

function answer(stream: ServerHttp2Stream): void {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(OK));
  stream.end(Buffer.alloc(5));
}

test("no more calls at a time than the server allows", async () => {
  let under = 0;
  let most = 0;
  const kv = await http2Server((stream) => {
    most = Math.max(most, ++under);
    stream.on("close", () => under--);
    setImmediate(() => answer(stream));
  }, 3);
  await Promise.all(Array.from({ length: 50 }, () => kv.put({})));
  expect(most).toBe(3);
});

test("a server that goes away is left, and found again", async () => {
  const kv = await http2Server((stream, count) => {
    answer(stream);
    if (count === 1) stream.session!.goaway(0, 1);
  });
  await kv.put({});
  await kv.put({});
});

test("a call that the server going away has not looked at was never sent", async () => {
  const kv = await http2Server((stream, count) => {
    if (count === 2) stream.session!.goaway(0, 1);
    else setTimeout(() => answer(stream), 50);
  });
  const first = kv.put({});
  await expect(kv.put({})).rejects.toMatchObject({
    status: Status.UNAVAILABLE,
    message: expect.stringMatching(/^No connection established/) as string,
  });
  await first;
});

test.each([
  ["REFUSED_STREAM", Status.UNAVAILABLE],
  ["CANCEL", Status.CANCELLED],
  ["ENHANCE_YOUR_CALM", Status.RESOURCE_EXHAUSTED],
  ["INTERNAL_ERROR", Status.INTERNAL],
] as const)("a reset with %s is status %i", async (code, status) => {
  const kv = await http2Server((stream) => stream.close(H2_ERROR[code]));
  await expect(kv.put({})).rejects.toMatchObject({ status });
});

test.each([
  ["503", { ":status": 503 }, Status.UNAVAILABLE],
  ["404", { ":status": 404 }, Status.UNIMPLEMENTED],
  ["a page", { ":status": 200, "content-type": "text/html" }, Status.UNKNOWN],
  ["no status", HEAD, Status.INTERNAL],
  ["a strange status", { ...HEAD, "grpc-status": "x" }, Status.UNKNOWN],
])("an answer with %s is an error", async (_, head, status) => {
  const kv = await http2Server((stream) => {
    stream.respond(head);
    stream.end("body");
  });
  await expect(kv.put({})).rejects.toMatchObject({ status });
});

test("a message past the limit is refused before it has come", async () => {
  const kv = await http2Server((stream) => {
    stream.respond(HEAD);
    stream.write(Buffer.from([0, 0x7f, 0, 0, 0]));
  });
  await expect(kv.put({})).rejects.toMatchObject({ status: Status.RESOURCE_EXHAUSTED });
});

test("a connection that is lost ends its calls; the next call has a new one", async () => {
  const kv = await http2Server((stream, count) => {
    if (count === 1) stream.session!.destroy();
    else answer(stream);
  });
  await expect(kv.put({})).rejects.toMatchObject({ status: Status.UNAVAILABLE });
  await kv.put({});
});

test("an endpoint with another protocol, or a silent one, is no server", async () => {
  const server = createNetServer((socket) => {
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { kv } = open(`http://127.0.0.1:${port}`);
  await expect(kv.put({})).rejects.toMatchObject({
    status: Status.UNAVAILABLE,
    message: expect.stringMatching(/^No connection established/) as string,
  });
});
