import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { afterEach, expect, test } from "vitest";
import { type Store, startStore } from "./main.ts";

const folders: string[] = [];
const running: Store[] = [];

afterEach(async () => {
  for (const store of running.splice(0)) await store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "r2k-store-"));
  folders.push(folder);
  return folder;
}

async function start(dataDir: string, more: Partial<Parameters<typeof startStore>[0]> = {}) {
  const store = await startStore({ dataDir, ...more });
  running.push(store);
  return store;
}

async function stop(store: Store): Promise<void> {
  running.splice(running.indexOf(store), 1);
  await store.close();
}

const key = Buffer.from("k");

test("what was written is there after a restart: keys, leases, compaction, revision", async () => {
  const dataDir = temporaryFolder();
  const first = await start(dataDir);
  const { ID } = await first.client.leaseGrant({ TTL: 600 });
  await first.client.put({ key, value: Buffer.from("1"), lease: ID });
  await first.client.put({ key, value: Buffer.from("2"), lease: ID });
  await first.client.compact({ revision: 3 });
  const before = await first.client.range({ key });
  await stop(first);
  const second = await start(dataDir);
  const after = await second.client.range({ key });
  expect(after.kvs).toEqual(before.kvs);
  expect(after.header!.revision).toBe(before.header!.revision);
  const compacted = etcdError("compacted").message;
  await expect(second.client.range({ key, revision: 2 })).rejects.toThrow(compacted);
  expect((await second.client.leaseTimeToLive({ ID, keys: true })).keys).toEqual([key]);
});

test("a closed store refuses calls and ends its watches, each with the reason", async () => {
  const store = await start(temporaryFolder());
  const stream = store.client.watch();
  stream.create({ key });
  const responses = stream[Symbol.asyncIterator]();
  expect((await responses.next()).value).toMatchObject({ created: true });
  const waiting = responses.next();
  const stopped = etcdError("stopped").message;
  const ended = expect(waiting).rejects.toThrow(stopped);
  await stop(store);
  await ended;
  await expect(store.client.put({ key })).rejects.toThrow(stopped);
  await expect(store.client.range({ key })).rejects.toThrow(stopped);
  await expect(store.client.range({ key, serializable: true })).rejects.toThrow(stopped);
});

test("the embedded client knows how others reach its store, if they need no TLS", async () => {
  const hidden = await start(temporaryFolder());
  expect(hidden.client.connection).toBeUndefined();
  const dataDir = temporaryFolder();
  const listenClient = { path: join(dataDir, "s.sock") };
  const store = await start(dataDir, { listenClient });
  const other = connectEtcd(store.client.connection!);
  await other.put({ key, value: Buffer.from("1") });
  expect((await store.client.range({ key })).kvs[0]!.value.toString()).toBe("1");
  expect(other.connection).toEqual({ endpoints: [`unix://${listenClient.path}`] });
  await other.close();
});

test("two stores live in one process, and a data directory has one owner", async () => {
  const dataDir = temporaryFolder();
  const one = await start(dataDir);
  const other = await start(temporaryFolder());
  await one.client.put({ key, value: Buffer.from("one") });
  expect((await other.client.range({ key })).count).toBe(0);
  await expect(startStore({ dataDir })).rejects.toMatchObject({ code: "BACKEND_LOCKED" });
  expect((await one.client.range({ key })).count).toBe(1);
});

test("a port in use is refused, and leaves the data directory free", async () => {
  const listenClient = { host: "127.0.0.1", port: 0 };
  const holder = await start(temporaryFolder(), { listenClient });
  const port = Number(holder.address!.split(":")[1]);
  const dataDir = temporaryFolder();
  const taken = startStore({ dataDir, listenClient: { host: "127.0.0.1", port } });
  await expect(taken).rejects.toThrow(/EADDRINUSE/);
  await start(dataDir);
});

test("a lost log or backend is refused with what to do", async () => {
  const dataDir = temporaryFolder();
  const store = await start(dataDir);
  await store.client.put({ key });
  await stop(store);
  const wal = join(dataDir, "member", "wal");
  for (const name of readdirSync(wal)) rmSync(join(wal, name));
  await expect(startStore({ dataDir })).rejects.toMatchObject({ code: "LOG_LOST" });
  expect(existsSync(join(dataDir, "member", "db"))).toBe(true);
  writeFileSync(join(wal, "0000000000000001.wal"), "something else entirely, no log");
  await expect(startStore({ dataDir })).rejects.toMatchObject({ code: "LOG_DAMAGED" });
});

test("deadlines and aborts end a call for its caller", async () => {
  const { client } = await start(temporaryFolder());
  const abort = new AbortController();
  abort.abort();
  await expect(client.range({ key }, { signal: abort.signal })).rejects.toMatchObject({
    code: "CANCELLED",
  });
  await expect(client.put({ key }, { timeout_ms: 0 })).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
    message: "context deadline exceeded",
  });
});

test("idle watches with progress_notify get progress responses", async () => {
  const { client } = await start(temporaryFolder(), { watchProgressInterval_ms: 50 });
  const stream = client.watch();
  stream.create({ key, progressNotify: true });
  const responses = stream[Symbol.asyncIterator]();
  await responses.next();
  const { header } = await client.put({ key: Buffer.from("other") });
  for (;;) {
    const { value } = await responses.next();
    expect(value).toMatchObject({ watchId: 0n, events: [], created: false });
    if (value.header!.revision === header!.revision) break;
  }
  stream.close();
});
