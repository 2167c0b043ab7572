import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { Cluster, Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { type Channel, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { freePort } from "../../../testing/free-port.ts";
import { killed } from "../../../testing/killed.ts";
import { Proxy } from "../../../testing/store/proxy.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { LogState, PassWrites } from "./stalled-log.ts";

const PROGRAM = join(import.meta.dirname, "../../../cli/main.ts");
const STALLED_LOG = pathToFileURL(join(import.meta.dirname, "stalled-log.ts")).href;
export const TIMEOUT_MS = 60_000;
/** Times above those for which a busy machine keeps a process waiting. */
const TIMING = ["--heartbeat-interval=300", "--election-timeout=3000"];

/** A member as a process whose log a test can stall; others reach it through the proxy. */
export class StallingMember {
  readonly name: string;
  readonly proxy: Proxy;
  readonly #peerPort: number;
  readonly endpoint: string;
  readonly peerUrl: string;
  readonly #channel: Channel;
  readonly client: EtcdClient;
  readonly cluster;
  readonly maintenance;
  #process: ChildProcess | undefined;
  #output = "";
  #waiting = 0;

  private constructor(name: string, proxy: Proxy, clientPort: number, peerPort: number) {
    this.name = name;
    this.proxy = proxy;
    this.#peerPort = peerPort;
    this.endpoint = `http://127.0.0.1:${clientPort}`;
    this.peerUrl = `http://127.0.0.1:${proxy.port}`;
    this.#channel = connectGrpc(this.endpoint);
    this.client = connectEtcd({ endpoints: [this.endpoint] });
    this.cluster = client(this.#channel, Cluster);
    this.maintenance = client(this.#channel, Maintenance);
  }

  /** Finds its ports; nothing runs yet. */
  static async make(name: string): Promise<StallingMember> {
    const [clientPort, peerPort] = [await freePort(), await freePort()];
    return new StallingMember(name, await Proxy.start(peerPort), clientPort, peerPort);
  }

  start(folder: string, cluster: StallingMember[], state: "new" | "existing"): void {
    const { name, endpoint, peerUrl } = this;
    const flags = [
      `--name=${name}`,
      `--data-dir=${join(folder, name)}`,
      ...TIMING,
      `--listen-client-urls=${endpoint}`,
      `--advertise-client-urls=${endpoint}`,
      `--listen-peer-urls=http://127.0.0.1:${this.#peerPort}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${cluster.map((each) => `${each.name}=${each.peerUrl}`).join(",")}`,
      `--initial-cluster-state=${state}`,
      "--strict-reconfig-check=false",
    ];
    const execArgv = ["--import", STALLED_LOG];
    const child = fork(PROGRAM, ["store", ...flags], { execArgv, silent: true });
    this.#process = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    }
    child.on("message", ({ waiting }: LogState) => (this.#waiting = waiting));
  }

  /** Lets so many more writes of the log pass; those that follow wait. */
  async passWrites(pass: number): Promise<void> {
    const answer = once(this.#process!, "message");
    this.#process!.send({ pass } satisfies PassWrites);
    await answer;
  }

  writeWaits(): Promise<unknown> {
    return this.until("a write to wait", () => this.#waiting > 0);
  }

  isUp(): Promise<unknown> {
    return this.until("to serve", () => this.client.status({ timeout_ms: 1_000 }));
  }

  /** Returns the index of the log's last entry, durable or not. */
  async lastIndex(): Promise<number> {
    return (await this.client.status()).raftIndex;
  }

  /** The wait's error has what the member said so far. */
  async until<T>(what: string, probe: () => T | Promise<T>) {
    try {
      return await waitFor(`${this.name}: ${what}`, probe, { timeout_ms: TIMEOUT_MS });
    } catch (cause) {
      throw new Error(`${this.name}: ${what}\n${this.#output}`, { cause });
    }
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child) await killed(child);
  }

  async close(): Promise<void> {
    await this.kill();
    await this.client.close();
    this.#channel.close();
    this.proxy.close();
  }
}
