import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { SILENCE_LOOK_MS } from "@raft2kube/h2/limits.ts";
import { KV, Watch } from "@raft2kube/proto/gen/etcd.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { type RpcServer, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { listening } from "../../testing/listening.ts";
import { EtcdError, etcdError, isEtcdError } from "./errors.ts";
import { connectEtcd } from "./grpc.ts";

const servers: RpcServer[] = [];
const UNUSED = "http://127.0.0.1:1";
const key = Buffer.from("k");

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** A server whose responses identify it by their revision. */
async function answering(revision: number): Promise<string> {
  const header = { revision };
  const server = await serveGrpc({
    listen: { host: "127.0.0.1", port: 0 },
    services: [
      serve(KV, {
        range: () => ({ header }),
        put: () => ({ header }),
        txn() {
          const { status, message } = etcdError("compacted");
          throw new RpcError(status as Status, message);
        },
      }),
      serve(Watch, {
        async *watch(requests) {
          for await (const { createRequest } of requests) {
            if (createRequest) yield { header, created: true, watchId: 5n };
            else throw new RpcError(Status.UNAVAILABLE, "etcdserver: no leader");
          }
        },
      }),
    ],
  });
  servers.push(server);
  return `http://${server.address}`;
}

test("a read goes on at the next endpoint when one is gone", async () => {
  const client = connectEtcd({ endpoints: [UNUSED, await answering(7)] });
  expect((await client.range({ key })).header!.revision).toBe(7);
  await client.close();
});

test("a write that was never sent goes to the next endpoint", async () => {
  const client = connectEtcd({ endpoints: [UNUSED, await answering(7)] });
  expect((await client.put({ key })).header!.revision).toBe(7);
  await client.close();
});

/** A server that takes a write, and says that it is going instead of how it went. */
async function dying(taken: string[]): Promise<string> {
  const server = await serveGrpc({
    listen: { host: "127.0.0.1", port: 0 },
    services: [
      serve(KV, {
        put() {
          taken.push("put");
          throw new RpcError(Status.UNAVAILABLE, "etcdserver: server stopped");
        },
        range() {
          throw new RpcError(Status.UNAVAILABLE, "etcdserver: server stopped");
        },
      }),
    ],
  });
  servers.push(server);
  return `http://${server.address}`;
}

test("a write that was sent is not made twice: it fails, and the next goes elsewhere", async () => {
  const taken: string[] = [];
  const client = connectEtcd({ endpoints: [await dying(taken), await answering(7)] });
  await expect(client.put({ key })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect((await client.put({ key })).header!.revision).toBe(7);
  expect(taken).toEqual(["put"]);
  await client.close();
});

test("a call waits while a member is started again, and fails where it stays away", async () => {
  const first = await answering(7);
  const client = connectEtcd({ endpoints: [first] });
  await client.range({ key });
  await servers.pop()!.close();
  const read = client.range({ key });
  const write = client.put({ key });
  await expect(client.range({ key }, { signal: AbortSignal.abort() })).rejects.toThrow();
  const port = Number(new URL(first).port);
  servers.push(
    await serveGrpc({
      listen: { host: "127.0.0.1", port },
      services: [serve(KV, { range: () => ({ header: { revision: 8 } }), put: () => ({}) })],
    }),
  );
  expect((await read).header!.revision).toBe(8);
  await write;
  await client.close();
  const gone = connectEtcd({ endpoints: [UNUSED] });
  await expect(gone.range({ key })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await gone.close();
});

test("a process whose only work is a call that is made again goes on", () => {
  const grpc = new URL("./grpc.ts", import.meta.url).href;
  const script = `const { connectEtcd } = await import(${JSON.stringify(grpc)});
    const asked = connectEtcd({ endpoints: ["${UNUSED}"] }).range({ key: Buffer.from("k") });
    await asked.catch(({ code }) => console.log(code));`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
  expect(String(stdout)).toBe("UNAVAILABLE\n");
});

test("calls take turns over all endpoints when they are to be spread", async () => {
  const endpoints = [await answering(1), await answering(2), await dying([]), await answering(3)];
  const client = connectEtcd({ endpoints, spread: true });
  const answered: number[] = [];
  for (let i = 0; i < 6; i++) answered.push((await client.range({ key })).header!.revision);
  expect(answered).toEqual([1, 2, 3, 1, 2, 3]);
  await client.close();
});

test("all attempts together end at the call's deadline", async () => {
  const silent = await serveGrpc({
    listen: { host: "127.0.0.1", port: 0 },
    services: [serve(KV, { range: () => new Promise(() => undefined) })],
  });
  servers.push(silent);
  const client = connectEtcd({ endpoints: [`http://${silent.address}`, await answering(7)] });
  const asked = client.range({ key }, { timeout_ms: 50 });
  await expect(asked).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await client.close();
});

test("an endpoint on which a watch broke is left for another", async () => {
  const client = connectEtcd({ endpoints: [UNUSED, await answering(7)] });
  const broken = client.watch()[Symbol.asyncIterator]();
  await expect(broken.next()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  const stream = client.watch();
  stream.create({ key });
  expect((await stream[Symbol.asyncIterator]().next()).value).toMatchObject({ created: true });
  await client.close();
});

test("a watch of a member that has become silent ends", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const { port } = new URL(await answering(7));
  const between = createServer();
  const taken = once(between, "connection") as Promise<[Socket]>;
  const client = connectEtcd({ endpoints: [`http://127.0.0.1:${await listening(between)}`] });
  const stream = client.watch();
  stream.create({ key });
  const responses = stream[Symbol.asyncIterator]();
  const first = responses.next();
  const [socket] = await taken;
  const member = connect(Number(port), "127.0.0.1");
  for (const each of [socket, member]) each.on("error", () => each.destroy());
  socket.pipe(member).pipe(socket);
  onTestFinished(async () => {
    vi.useRealTimers();
    for (const each of [socket, member]) each.destroy();
    between.close();
    await client.close();
  });
  expect((await first).value).toMatchObject({ created: true });
  socket.unpipe().pause();
  // After the last of its answers it is asked, and asked in vain.
  const ended = expect(responses.next()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  for (let looks = 0; looks < 3; looks++) vi.advanceTimersByTime(SILENCE_LOOK_MS);
  await ended;
});

test("errors are etcd's, by status and text", async () => {
  const client = connectEtcd({ endpoints: [await answering(7)] });
  const thrown: unknown = await client.txn({}).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(EtcdError);
  expect(isEtcdError(thrown, "compacted")).toBe(true);
  expect(isEtcdError(thrown, "futureRevision")).toBe(false);
  await client.close();
});

test("a deadline ends a call", async () => {
  const client = connectEtcd({ endpoints: [UNUSED], timeout_ms: 1 });
  await expect(client.range({ key })).rejects.toMatchObject({
    code: expect.stringMatching(/DEADLINE_EXCEEDED|UNAVAILABLE/) as string,
  });
  await client.close();
});

test("a watch stream ends with the server's reason, or quietly when it is closed", async () => {
  const client = connectEtcd({ endpoints: [await answering(7)] });
  const broken = client.watch();
  broken.create({ key });
  const responses = broken[Symbol.asyncIterator]();
  expect((await responses.next()).value).toMatchObject({ created: true, watchId: 5n });
  broken.requestProgress();
  await expect(responses.next()).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: "etcdserver: no leader",
  });
  const closed = client.watch();
  closed.create({ key });
  const others = closed[Symbol.asyncIterator]();
  await others.next();
  const end = others.next();
  closed.close();
  expect(await end).toMatchObject({ done: true });
  await client.close();
});

test("no endpoint is refused", () => {
  expect(() => connectEtcd({ endpoints: [] })).toThrow("needs an endpoint");
});
