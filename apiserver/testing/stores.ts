import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { startEtcd } from "./etcd-server.ts";

/** A store that a suite runs on. */
export interface StoreUnderTest {
  client: EtcdClient;
  close(): Promise<void>;
}

/**
 * What `store/main.ts` exports, as far as tests here need it; passed in, since parts know no other
 * parts.
 */
export interface StoreModule {
  startStore(options: {
    dataDir: string;
    listenClient?: { path: string };
  }): Promise<{ client: EtcdClient; close(): Promise<void> }>;
}

type Connect = (options: { endpoints: string[] }) => EtcdClient;

/** Every store that the apiserver is held to work on, by name. */
export function storesUnderTest(
  store: StoreModule,
  connect: Connect,
): Record<string, () => Promise<StoreUnderTest>> {
  return {
    "the embedded store": () => startOurs(store, undefined),
    "the store over gRPC": () => startOurs(store, connect),
    etcd: startEtcd,
  };
}

async function startOurs(
  store: StoreModule,
  connect: Connect | undefined,
): Promise<StoreUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-store-"));
  const path = join(dir, "s.sock");
  const running = await store.startStore({ dataDir: join(dir, "data"), listenClient: { path } });
  const remote = connect?.({ endpoints: [`unix://${path}`] });
  return {
    client: remote ?? running.client,
    async close() {
      await remote?.close();
      await running.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
