import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { startEtcd } from "./etcd-server.ts";
import { startTestApiserver, type TestApiserver } from "./test-apiserver.ts";

/** Starts an apiserver on an etcd of its own, which ends with it. */
export async function startApiserverOnEtcd(
  more: Partial<ApiserverOptions> = {},
): Promise<TestApiserver> {
  const etcd = await startEtcd();
  return closingAfter(await startTestApiserver(etcd.client, more), () => etcd.close());
}

/** Starts an apiserver on a store of ours, which ends with it. */
export async function startApiserverOnStore(
  more: Partial<ApiserverOptions> = {},
): Promise<TestApiserver> {
  const dataDir = await mkdtemp(join(tmpdir(), "r2k-store-"));
  const store = await startStore({ dataDir, listenClient: { path: join(dataDir, "s.sock") } });
  return closingAfter(await startTestApiserver(store.client, more), async () => {
    await store.close();
    await rm(dataDir, { recursive: true });
  });
}

function closingAfter(api: TestApiserver, closeStore: () => Promise<void>): TestApiserver {
  const close = api.close.bind(api);
  api.close = async () => {
    await close();
    await closeStore();
  };
  return api;
}
