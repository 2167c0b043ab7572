import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { KV, Watch } from "@raft2kube/proto/gen/etcd.ts";
import { afterEach, describe, expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { frameMessage } from "../../testing/raw-client.ts";
import { client, connectGrpc } from "./client.ts";
import type { ServedService } from "./routes.ts";
import { serve, serveGrpc } from "./server.ts";
import { connectGrpcJs, grpcJsClient } from "./testing/grpc-js-client.ts";

const dir = suiteFolder("r2k-rpc-");
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const MIB = 1024 * 1024;

async function start(...services: ServedService[]) {
  const server = await serveGrpc({
    listen: { host: "127.0.0.1", port: 0 },
    services,
    http: (request, response) => {
      response.writeHead(404, { "x-seen": `${request.method} ${request.url}` });
      request.pipe(response);
    },
  });
  closers.push(server.close);
  return server.address;
}

/** Our own client, and gRPC's, over a channel that ends with the test. */
const CLIENTS = {
  ours(address: string) {
    const channel = connectGrpc(address);
    closers.push(() => channel.close());
    return { kv: client(channel, KV), watch: client(channel, Watch).watch };
  },
  "grpc-js's"(address: string) {
    const channel = connectGrpcJs(address);
    closers.push(() => channel.close());
    return { kv: grpcJsClient(channel, KV), watch: grpcJsClient(channel, Watch).watch };
  },
};

describe.each(["ours", "grpc-js's"] as const)("client: %s", (make) => {
  test("messages larger than every window pass, both ways and many at a time", async () => {
    const echo = serve(KV, { put: ({ key, value }) => ({ prevKv: { key, value } }) });
    const { kv } = CLIENTS[make](await start(echo));
    const sizes = [0, 1, 16_379, 16_380, 65_535, MIB, 6 * MIB, 10 * MIB];
    const answers = await Promise.all(
      sizes.map((size, i) => kv.put({ key: Buffer.from([i]), value: Buffer.alloc(size, i) })),
    );
    answers.forEach(({ prevKv }, i) => {
      expect(prevKv?.key).toEqual(Buffer.from([i]));
      expect(prevKv?.value.equals(Buffer.alloc(sizes[i]!, i))).toBe(true);
    });
  });

  test("a client that is slow to read holds the handler back, and loses nothing", async () => {
    const COUNT = 400;
    let produced = 0;
    async function* watch() {
      for (; produced < COUNT; produced++) {
        yield { watchId: BigInt(produced), cancelReason: "x".repeat(64 * 1024) };
      }
    }
    const calls = CLIENTS[make](await start(serve(Watch, { watch })));
    async function* nothing() {}
    const ids: bigint[] = [];
    for await (const { watchId } of calls.watch(nothing())) {
      if (watchId === 0n) {
        await expect.poll(() => produced).toBeGreaterThan(0);
        // Some are in windows, sockets and the client's own queue; not all.
        expect(produced).toBeLessThan(COUNT);
      }
      ids.push(watchId);
    }
    expect(ids).toEqual(Array.from({ length: COUNT }, (_, i) => BigInt(i)));
  });

  test("calls under way are answered when the server closes, new ones go elsewhere", async () => {
    let answer: (() => void) | undefined;
    const slow = serve(KV, { put: () => new Promise((resolve) => (answer = () => resolve({}))) });
    const server = await serveGrpc({ listen: { path: join(dir, "rpc.sock") }, services: [slow] });
    const { kv } = CLIENTS[make](server.address);
    const underWay = kv.put({});
    await expect.poll(() => answer).toBeDefined();
    const closed = server.close();
    const late = expect(kv.put({}, { timeout_ms: 500 })).rejects.toBeDefined();
    answer!();
    await expect(underWay).resolves.toMatchObject({});
    await closed;
    await late;
  });
});

function session(address: string): ClientHttp2Session {
  const opened = connect(`http://${address}`);
  closers.push(() => opened.destroy());
  return opened;
}

test("pages are served over HTTP/2 as over HTTP/1.1", async () => {
  const http2 = session(await start());
  const request = http2.request({ ":method": "POST", ":path": "/some/page?x=1" });
  request.end("a body");
  const [headers] = (await once(request, "response")) as [Record<string, unknown>];
  expect(headers).toMatchObject({ ":status": 404, "x-seen": "POST /some/page?x=1" });
  expect(headers).not.toHaveProperty("connection");
  expect(await text(request)).toBe("a body");
});

test("an authority that is a URL, as etcdctl 3.4 sends it, is no reason to refuse", async () => {
  const echo = serve(KV, { put: () => ({}) });
  const address = await start(echo);
  const request = session(address).request({
    ":method": "POST",
    ":path": "/etcdserverpb.KV/Put",
    ":authority": `http://${address}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const trailers = once(request, "trailers");
  request.end(frameMessage(Buffer.alloc(0)));
  request.resume();
  const [fields] = (await trailers) as [Record<string, unknown>];
  expect(fields).toMatchObject({ "grpc-status": "0" });
});
