import { Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@raft2kube/proto/gen/health.ts";
import { type Channel, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { type Store, startStore } from "../../main.ts";
import type { StoreOptions } from "../../options.ts";

let dataDir: string;
let store: Store;
let channel: Channel;
/** Ends the watches. */
let ending: AbortController;
beforeEach(() => {
  dataDir = testFolder("r2k-health-");
  ending = new AbortController();
});
afterEach(async () => {
  ending.abort();
  channel.close();
  await store.close();
});

async function start(more: Partial<StoreOptions> = {}): Promise<void> {
  const listenClient = { host: "127.0.0.1", port: 0 };
  store = await startStore({ dataDir, listenClient, ...more });
  channel = connectGrpc(store.endpoints[0]!);
}

function watch(service: string): AsyncIterator<{ status: Status }> {
  const { signal } = ending;
  return client(channel, Health).watch({ service }, { signal })[Symbol.asyncIterator]();
}

const next = async (statuses: AsyncIterator<{ status: Status }>) => {
  const { value } = (await statuses.next()) as IteratorYieldResult<{ status: Status }>;
  return value.status;
};

test("the server as a whole serves; of its services it knows nothing, as etcd", async () => {
  await start();
  const { check } = client(channel, Health);
  expect(await check({ service: "" })).toEqual({ status: Status.SERVING });
  expect(await next(watch(""))).toBe(Status.SERVING);
  await expect(check({ service: "etcdserverpb.KV" })).rejects.toMatchObject({
    code: "NOT_FOUND",
    message: "unknown service",
  });
  expect(await next(watch("etcdserverpb.KV"))).toBe(Status.SERVICE_UNKNOWN);
});

test("a watch sees that defragmenting is no serving, where etcd's gate is on", async () => {
  await start({ stopsServiceOnDefragment: true });
  const statuses = watch("");
  expect(await next(statuses)).toBe(Status.SERVING);
  const defragmenting = client(channel, Maintenance).defragment({});
  expect(await next(statuses)).toBe(Status.NOT_SERVING);
  await defragmenting;
  expect(await next(statuses)).toBe(Status.SERVING);
});

test("without that gate it goes on serving", async () => {
  await start();
  const statuses = watch("");
  expect(await next(statuses)).toBe(Status.SERVING);
  const change = next(statuses).then(
    (status) => `now ${status}`,
    () => "ended",
  );
  await client(channel, Maintenance).defragment({});
  // A change that the defragmentation caused would come before this answer, on the same connection.
  await client(channel, Health).check({ service: "" });
  expect(await Promise.race([change, Promise.resolve("as before")])).toBe("as before");
});

test("a watch ends with the store, which does not have to cut it", async () => {
  await start();
  const statuses = watch("");
  expect(await next(statuses)).toBe(Status.SERVING);
  const closing = store.close();
  await expect(statuses.next()).rejects.toThrow("Stream has ended.");
  await closing;
  channel.close();
  await start();
});
