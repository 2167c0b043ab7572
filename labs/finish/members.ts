import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { Link } from "./links.ts";

const IDS = [1, 2, 3] as const;
/** Three times faster than the default: the finish waits for several elections. */
const TIMING = ["--heartbeat-interval", "50", "--election-timeout", "500"];
const SAID_CHARS_MAX = 4_000;

/** A member of the store as a process. */
export class Member {
  readonly id: number;
  readonly folder: string;
  readonly client: EtcdClient;
  readonly #program: string;
  #child: ChildProcess | undefined;
  #wanted = false;
  said = "";

  constructor(id: number, folder: string, program: string) {
    this.id = id;
    this.folder = folder;
    this.#program = program;
    this.client = connectEtcd({ endpoints: [this.endpoint] });
  }

  get endpoint(): string {
    return `unix://${join(this.folder, "client.sock")}`;
  }

  get up(): boolean {
    return this.#child !== undefined;
  }

  /** Why it ended without having been killed; undefined while it has not. */
  get failure(): string | undefined {
    if (this.up || !this.#wanted) return undefined;
    const lines = this.said.trimEnd().split("\n");
    return lines.find((line) => line.startsWith("r2k: ")) ?? lines.at(-1) ?? "";
  }

  start(): void {
    const own = peerUrl(this.id);
    const flags = [
      ["--name", `member-${this.id}`],
      ["--data-dir", "data"],
      ["--listen-client-urls", this.endpoint],
      ["--listen-peer-urls", own],
      ["--initial-advertise-peer-urls", own],
      ["--initial-cluster", IDS.map((id) => `member-${id}=${peerUrl(id)}`).join(",")],
      TIMING,
    ];
    const child = spawn(process.execPath, [this.#program, "store", ...flags.flat()], {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#wanted = true;
    child.on("error", (error) => (this.said += error.message));
    child.once("exit", () => {
      if (this.#child === child) this.#child = undefined;
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.said = (this.said + text).slice(-SAID_CHARS_MAX);
      });
    }
  }

  /** Kills the process, as `kill -9` does. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#wanted = false;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
}

/**
 * A socket beside the member: its own for the member itself, a link to the other's for the rest. So
 * the same URL leads through a link of each pair's own, which can be cut.
 */
const peerUrl = (id: number): string => `unix://peers/${id}.sock`;

/** Three members with links between them that can be cut. */
export class Members {
  readonly all: readonly Member[];
  readonly #folder = mkdtempSync(join(tmpdir(), "r2k-finish-"));
  readonly #links = new Map<string, Link>();

  constructor(program: string) {
    this.all = IDS.map((id) => new Member(id, join(this.#folder, `m${id}`), program));
  }

  async start(): Promise<void> {
    for (const from of this.all) {
      mkdirSync(join(from.folder, "peers"), { recursive: true });
      for (const to of this.all.filter((each) => each !== from)) {
        const at = join(from.folder, "peers", `${to.id}.sock`);
        const target = join(to.folder, "peers", `${to.id}.sock`);
        this.#links.set(`${from.id} ${to.id}`, await Link.open(at, target));
      }
    }
    for (const member of this.all) member.start();
  }

  /** Cuts a member off from the others, or connects it again; clients reach it in any case. */
  cutOff(member: Member, cut: boolean): void {
    for (const [pair, link] of this.#links) {
      if (pair.split(" ").includes(`${member.id}`)) link.cut = cut;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((member) => member.client.close()));
    await Promise.all(this.all.map((member) => member.kill()));
    for (const link of this.#links.values()) link.close();
    rmSync(this.#folder, { recursive: true });
  }
}
