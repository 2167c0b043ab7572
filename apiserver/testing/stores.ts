import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { startEtcd } from "../../testing/apiserver/etcd-server.ts";

/** A store that a suite runs on. */
export interface StoreUnderTest {
  client: EtcdClient;
  close(): Promise<void>;
}

interface Listen {
  host: string;
  port: number;
  tls: { cert: string; key: string; clientCa: string };
}

interface Member {
  name: string;
  port: number;
  store: { address: string | undefined } | undefined;
}

/**
 * Exports of the store's package that these tests use; passed in, since parts do not import other
 * parts.
 */
interface StoreModules {
  startStore(options: {
    dataDir: string;
    listenClient?: { path: string };
  }): Promise<{ client: EtcdClient; close(): Promise<void> }>;
  TestMembers: new () => {
    add(...names: string[]): Promise<Member[]>;
    start(member: never, initial: never, more: object): Promise<unknown>;
    stopAll(): Promise<void>;
  };
  urlOf(member: never): string;
  connectEtcd(options: {
    endpoints: string[];
    tls?: { ca: string; cert: string; key: string };
  }): EtcdClient;
}

/** Every store that the apiserver is held to work on, by name. */
export function storesUnderTest(
  modules: StoreModules,
): Record<string, () => Promise<StoreUnderTest>> {
  return {
    "the embedded store": () => startOurs(modules, false),
    "the store over gRPC": () => startOurs(modules, true),
    "three members with TLS": () => startThree(modules),
    etcd: startEtcd,
  };
}

async function startOurs(modules: StoreModules, remote: boolean): Promise<StoreUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-store-"));
  const path = join(dir, "s.sock");
  const dataDir = join(dir, "data");
  const running = await modules.startStore({ dataDir, listenClient: { path } });
  const client = remote ? modules.connectEtcd({ endpoints: [`unix://${path}`] }) : undefined;
  return {
    client: client ?? running.client,
    async close() {
      await client?.close();
      await running.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Members that speak TLS with each other and with clients, and believe certificates alone. */
async function startThree(modules: StoreModules): Promise<StoreUnderTest> {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "r2k-test", days: 1, now_ms });
  const usages = ["server", "client"] as const;
  const own = { commonName: "member", ipAddresses: ["127.0.0.1"], usages, days: 1 };
  const pair = await issueCertificate(ca, own, now_ms);
  const members = new modules.TestMembers();
  const all = await members.add("a", "b", "c");
  const secure = (member: Member) => modules.urlOf(member as never).replace("http:", "https:");
  const initialCluster = Object.fromEntries(all.map((each) => [each.name, [secure(each)]]));
  const listen = (port: number): Listen => ({
    ...{ host: "127.0.0.1", port },
    tls: { ...pair, clientCa: ca.cert },
  });
  const start = (member: Member) =>
    members.start(member as never, all as never, {
      listenClient: listen(0),
      peers: {
        listen: listen(member.port),
        advertiseUrls: [secure(member)],
        initialCluster,
        tls: { ...pair, ca: ca.cert },
      },
    });
  await Promise.all(all.map(start));
  const endpoints = all.map(({ store }) => `https://${store!.address}`);
  const client = modules.connectEtcd({ endpoints, tls: { ...pair, ca: ca.cert } });
  return {
    client,
    async close() {
      await client.close();
      await members.stopAll();
    },
  };
}
