import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";

/** A running etcd of the distribution, for tests. */
export interface EtcdServer {
  url: string;
  client: EtcdClient;
  close(): Promise<void>;
}

/** Starts `etcd` on loopback with a data directory of its own. */
export async function startEtcd(): Promise<EtcdServer> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-etcd-"));
  const url = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    "etcd",
    [
      "--data-dir",
      dir,
      "--listen-client-urls",
      url,
      "--advertise-client-urls",
      url,
      "--listen-peer-urls",
      peer,
      "--initial-advertise-peer-urls",
      peer,
      "--initial-cluster",
      `default=${peer}`,
      "--log-level",
      "error",
      "--unsafe-no-fsync",
    ],
    { stdio: "ignore" },
  );
  const client = connectEtcd({ endpoints: [url] });
  await waitFor("etcd to answer", () => client.status({ timeout_ms: 500 }), {
    clock: systemClock(),
  });
  return {
    url,
    client,
    async close() {
      await client.close();
      await ended(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
