import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openBbolt } from "@raft2kube/bbolt/read.ts";
import {
  DowngradeRequest_DowngradeAction as Action,
  Maintenance,
} from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { type Store, startStore } from "./main.ts";

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = testFolder("r2k-downgrade-");
  store = await start();
});
afterEach(() => store.close());

const start = () =>
  startStore({ dataDir: join(folder, "data"), listenClient: { host: "127.0.0.1", port: 0 } });

async function downgrade(action: Action, version: string): Promise<void> {
  const channel = connectGrpc(store.endpoints[0]!);
  await client(channel, Maintenance).downgrade({ action, version });
  channel.close();
}

/** A bucket of a snapshot, as a client gets it. */
async function saved(bucket: string): Promise<Record<string, string>> {
  const path = join(folder, "snapshot.db");
  const channel = connectGrpc(store.endpoints[0]!);
  const blobs: Buffer[] = [];
  for await (const { blob } of client(channel, Maintenance).snapshot({})) blobs.push(blob);
  channel.close();
  writeFileSync(path, Buffer.concat(blobs));
  const file = await openBbolt(path);
  const pairs: Record<string, string> = {};
  for await (const chunk of file.pairs(bucket)) {
    for (const [key, value] of chunk) pairs[key.toString()] = value.toString();
  }
  await file.close();
  return pairs;
}

test("a downgrade outlives a restart, and snapshots are of the older schema", async () => {
  expect(await saved("cluster")).toEqual({ clusterVersion: "3.6.0" });
  expect(await saved("meta")).toMatchObject({ storageVersion: "3.6.0" });
  await downgrade(Action.ENABLE, "3.5");
  await store.close();
  store = await start();
  const { storageVersion, downgradeInfo } = await store.client.status();
  expect(storageVersion).toBe("3.5.0");
  expect(downgradeInfo).toEqual({ enabled: true, targetVersion: "3.5.0" });
  const stored = '{"target-version":"3.5.0","enabled":true}';
  expect(await saved("cluster")).toEqual({ clusterVersion: "3.5.0", downgrade: stored });
  expect(await saved("meta")).not.toHaveProperty("storageVersion");
  await downgrade(Action.CANCEL, "");
  await store.close();
  store = await start();
  const after = await store.client.status();
  expect(after.downgradeInfo).toEqual({ enabled: false, targetVersion: "" });
  expect(await saved("cluster")).toEqual({ clusterVersion: "3.6.0" });
});
