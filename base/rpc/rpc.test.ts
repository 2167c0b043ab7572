import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Compare, KV, TxnRequest, Watch } from "@raft2kube/proto/gen/etcd.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "@raft2kube/proto/gen/health.ts";
import { afterEach, expect, it } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { client, connectGrpc } from "./client.ts";
import { RpcError, Status } from "./error.ts";
import { decodeRequest } from "./grpc-call.ts";
import { BYTES_OF_MESSAGE, REQUEST_MESSAGES_MIN } from "./limits.ts";
import { serve, serveGrpc } from "./server.ts";

const dir = suiteFolder("r2k-rpc-");
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(signals: AbortSignal[] = []) {
  const server = await serveGrpc({
    listen: { path: join(dir, "rpc.sock") },
    services: [
      serve(Health, {
        check: (request) => {
          if (request.service === "missing")
            throw new RpcError(Status.NOT_FOUND, "unknown service");
          if (request.service === "bug") throw new TypeError("oops");
          return { status: Serving.SERVING };
        },
        async *watch(_request, call) {
          signals.push(call.signal);
          for (let i = 0; !call.signal.aborted; i++) yield { status: i % 2 };
        },
      }),
      serve(Watch, {
        async *watch(requests) {
          for await (const request of requests) {
            yield { watchId: request.createRequest?.watchId ?? -1n, created: true };
          }
        },
      }),
      serve(KV, {}),
    ],
  });
  const channel = connectGrpc(server.address);
  closers.push(server.close, channel.close);
  return channel;
}

it("answers unary calls and carries typed errors", async () => {
  const health = client(await start(), Health);
  expect((await health.check({})).status).toBe(Serving.SERVING);
  const missing = health.check({ service: "missing" });
  await expect(missing).rejects.toMatchObject({
    status: Status.NOT_FOUND,
    message: "unknown service",
  });
  await expect(health.check({ service: "bug" })).rejects.toMatchObject({ status: Status.INTERNAL });
});

it("connects to a socket whose path is longer than the kernel takes", async () => {
  await start();
  const long = join(dir, "x".repeat(100));
  mkdirSync(long);
  renameSync(join(dir, "rpc.sock"), join(long, "rpc.sock"));
  const check = async (name: string, options = {}) => {
    const channel = connectGrpc(`unix://${join(long, name)}`);
    closers.push(channel.close);
    return client(channel, Health).check({}, options);
  };
  expect((await check("rpc.sock")).status).toBe(Serving.SERVING);
  const soon = { timeout_ms: 300 };
  await expect(check("nobody.sock", soon)).rejects.toBeInstanceOf(RpcError);
  await expect(check("nowhere/rpc.sock", soon)).rejects.toBeInstanceOf(RpcError);
});

it("names a method that has no handler", async () => {
  const kv = client(await start(), KV);
  await expect(kv.range({})).rejects.toMatchObject({
    status: Status.UNIMPLEMENTED,
    message: "etcdserverpb.KV/Range is not implemented",
  });
});

it("streams with back-pressure and aborts the handler when the reader leaves", async () => {
  const signals: AbortSignal[] = [];
  const health = client(await start(signals), Health);
  let seen = 0;
  for await (const _ of health.watch({})) if (++seen === 1000) break;
  await expect.poll(() => signals[0]?.aborted).toBe(true);
});

it("carries requests both ways until the client ends", async () => {
  const watch = client(await start(), Watch);
  async function* requests() {
    for (const watchId of [1n, 2n ** 62n]) yield { createRequest: { watchId } };
  }
  const ids: bigint[] = [];
  for await (const response of watch.watch(requests())) ids.push(response.watchId);
  expect(ids).toEqual([1n, 2n ** 62n]);
});

it("gives up at the deadline and when the signal aborts", async () => {
  const channel = connectGrpc(`unix://${join(dir, "nobody.sock")}`);
  closers.push(channel.close);
  const health = client(channel, Health);
  await expect(health.check({}, { timeout_ms: 300 })).rejects.toBeInstanceOf(RpcError);
  const abort = new AbortController();
  abort.abort();
  const cancelled = health.check({}, { signal: abort.signal });
  await expect(cancelled).rejects.toBeInstanceOf(RpcError);
});

it("refuses a socket path that the kernel would not take, saying so", async () => {
  const path = join(dir, "x".repeat(100));
  await expect(serveGrpc({ services: [], listen: { path } })).rejects.toMatchObject({
    code: "SOCKET_PATH",
  });
});

it("a request with more messages than it has bytes for is refused before all are decoded", () => {
  const { txn } = KV.methods;
  const empty = (count: number) => TxnRequest.encode({ compare: Array(count).fill({}) });
  const most = REQUEST_MESSAGES_MIN - 1;
  expect(decodeRequest(txn, empty(most))).toMatchObject({ compare: { length: most } });
  expect(() => decodeRequest(txn, empty(most + 1))).toThrow("it contains too many messages");
  const padded = { ...Compare.create(), key: Buffer.alloc(BYTES_OF_MESSAGE) };
  const large = TxnRequest.encode({ compare: Array(most + 1).fill(padded) });
  expect(decodeRequest(txn, large)).toMatchObject({ compare: { length: most + 1 } });
});
