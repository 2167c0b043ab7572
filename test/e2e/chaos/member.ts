import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import type { Machine } from "./surroundings.ts";

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
/** How much of a member's last words is kept to judge them. */
const LAST_WORDS = 4_000;

/** The end of a member's process that was not asked for. */
export type Ended = { readonly code: number | null; readonly words: string };

/** A member: `r2k store` as a process of its own, on a machine of its own. */
export class ChaosMember {
  readonly machine: Machine;
  /** Each replacement has a new one. */
  dataDir: string;
  /** The root of the release that its next process is of. */
  release: string;
  readonly client: EtcdClient;
  /** Client for watches, whose readers may be slow. */
  readonly watcher: EtcdClient;
  readonly #log: string;
  #process: ChildProcess | undefined;
  #memberGenerations = 0;
  /** How the process ended, when it did so by itself. */
  ended: Ended | undefined;
  /** Whether it was damaged: it may end itself for that reason, and is then replaced. */
  suspect = false;

  constructor(machine: Machine, folder: string, release: string) {
    this.machine = machine;
    this.release = release;
    this.dataDir = join(machine.disk, "data-1");
    this.#log = join(folder, `${machine.name}.log`);
    this.client = connectEtcd({ endpoints: [this.clientUrl] });
    this.watcher = connectEtcd({ endpoints: [this.clientUrl] });
  }

  get name(): string {
    return this.machine.name;
  }

  get clientUrl(): string {
    return `http://${this.machine.address}:${CLIENT_PORT}`;
  }

  get peerUrl(): string {
    return `http://${this.machine.address}:${PEER_PORT}`;
  }

  get runs(): boolean {
    return this.#process !== undefined;
  }

  /** `more` are flags for this start alone. */
  start(all: readonly ChaosMember[], state: "new" | "existing", ...more: string[]): void {
    if (this.#process) return;
    const flags = [
      ...["--name", this.name, "--data-dir", this.dataDir],
      ...["--listen-client-urls", this.clientUrl, "--advertise-client-urls", this.clientUrl],
      ...["--listen-peer-urls", this.peerUrl, "--initial-advertise-peer-urls", this.peerUrl],
      ...["--initial-cluster", all.map((each) => `${each.name}=${each.peerUrl}`).join(",")],
      ...["--initial-cluster-state", state],
      ...more,
    ];
    const main = join(this.release, "cli/main.ts");
    const [program, args] = this.machine.within(process.execPath, main, "store", ...flags);
    const output = openSync(this.#log, "w");
    const env = { ...process.env, ...this.machine.clockVariables, R2K_ROOT: this.release };
    const child = spawn(program, args, { stdio: ["ignore", output, output], env });
    this.#process = child;
    this.ended = undefined;
    this.#memberGenerations++;
    child.once("exit", (code) => {
      if (this.#process !== child) return;
      this.#process = undefined;
      this.ended = { code, words: readFileSync(this.#log, "utf8").slice(-LAST_WORDS) };
    });
  }

  get memberGenerations(): number {
    return this.#memberGenerations;
  }

  /** SIGKILL, and the process is gone when it resolves. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks the process to end, and to hand over; resolves with its exit code. */
  stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    this.#process = undefined;
    if (!child) return Promise.resolve(null);
    return new Promise((resolve) => {
      child.once("exit", (code) => resolve(code));
      child.kill(signal);
    });
  }

  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Deletes the data; the next process starts with an empty folder. */
  blank(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
    this.dataDir = join(this.machine.disk, `data-${this.#memberGenerations + 1}`);
    this.suspect = false;
  }

  async close(): Promise<void> {
    await this.kill();
    await this.client.close();
    await this.watcher.close();
  }
}
