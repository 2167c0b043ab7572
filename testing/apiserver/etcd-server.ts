import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { freePort } from "../free-port.ts";
import { killed } from "../killed.ts";
import { waitFor } from "../wait.ts";

/** A running etcd of the distribution, for tests. */
export interface EtcdServer {
  url: string;
  client: EtcdClient;
  /** Kills it without warning and starts it again on what it had written. */
  crash(): Promise<void>;
  /** Stops its process until `resume`: no call of it is answered. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

/** Starts `etcd`, or another build of it, on loopback with a data directory of its own. */
export async function startEtcd(program = "etcd"): Promise<EtcdServer> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-etcd-"));
  const url = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  let child = run(program, dir, url, peer);
  const client = connectEtcd({ endpoints: [url] });
  const answers = () => waitFor("etcd to answer", () => client.status({ timeout_ms: 2_000 }));
  await answers();
  return {
    url,
    client,
    async crash() {
      await killed(child);
      child = run(program, dir, url, peer);
      await answers();
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async close() {
      await client.close();
      await killed(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function run(program: string, dir: string, url: string, peer: string): ChildProcess {
  const flags = {
    "data-dir": dir,
    "listen-client-urls": url,
    "advertise-client-urls": url,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `default=${peer}`,
    "log-level": "error",
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  return spawn(program, words, { stdio: "ignore" });
}
