import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { freePort } from "../../../testing/free-port.ts";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";
import { PATIENT } from "./etcdctl.ts";

/** A release of etcd's programs. */
export interface EtcdRelease {
  /** The title tests stand under. */
  name: string;
  etcd: string;
  etcdctl: string;
  /** The program that inspects and restores snapshot files: separate since 3.5. */
  etcdutl: string;
}

const BUILT = join(import.meta.dirname, "../../../.peers/bin");

export const ETCD_34: EtcdRelease = {
  name: "etcd 3.4",
  etcd: "/usr/bin/etcd",
  etcdctl: "/usr/bin/etcdctl",
  etcdutl: "/usr/bin/etcdctl",
};
export const ETCD_36: EtcdRelease = {
  name: "etcd 3.6",
  etcd: join(BUILT, "etcd"),
  etcdctl: join(BUILT, "etcdctl"),
  etcdutl: join(BUILT, "etcdutl"),
};

export const isThere = ({ etcd, etcdctl, etcdutl }: EtcdRelease) =>
  [etcd, etcdctl, etcdutl].every((program) => existsSync(program));

export type Ended = { code: number | null; stdout: string; stderr: string };

const RUN_TIMEOUT_MS = 60_000;

/** Runs a program to its end, with `input` on its standard input; killed after a minute. */
export function runProgram(program: string, args: readonly string[], input = ""): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // etcd 3.4's client uses the v2 API by default; 3.6's has no such choice.
    const v3 = program === ETCD_34.etcdctl ? { ETCDCTL_API: "3" } : {};
    const child = spawn(program, args, {
      env: { ...process.env, ...PATIENT, ...v3 },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: RUN_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.on("error", () => undefined).end(input);
  });
}

/** A real etcd that serves a data directory. */
export interface RunningEtcd {
  /** `host:port` */
  endpoint: string;
  stop(): Promise<void>;
}

/** Starts a real etcd as a cluster of one on a data directory of its own, new or restored. */
export async function startEtcd({ etcd }: EtcdRelease, dataDir: string): Promise<RunningEtcd> {
  const endpoint = `127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const flags = [
    ...["--data-dir", dataDir, "--listen-client-urls", `http://${endpoint}`],
    ...["--advertise-client-urls", `http://${endpoint}`, "--listen-peer-urls", peer],
  ];
  // A restored directory knows its cluster under this address, and needs no other.
  const restored = ["--initial-advertise-peer-urls", DEFAULT_PEER];
  const cluster = ["--initial-cluster", `default=${DEFAULT_PEER}`];
  const server = spawn(etcd, [...flags, ...restored, ...cluster], { stdio: "ignore" });
  const client = connectEtcd({ endpoints: [`http://${endpoint}`] });
  const answers = () => client.leaseLeases({ timeout_ms: 3_000 });
  try {
    await waitFor("etcd to answer", answers);
  } catch (thrown) {
    await killed(server);
    throw thrown;
  } finally {
    await client.close();
  }
  return { endpoint, stop: () => killed(server) };
}

/** etcd's default. Unused: a cluster of one member calls no peers. */
const DEFAULT_PEER = "http://localhost:2380";
