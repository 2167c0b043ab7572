import type { ChildProcess } from "node:child_process";
import { appendFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { require } from "../../../../testing/violation.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { TestCluster } from "../../cluster.ts";
import { OwnHost } from "../../own-host.ts";
import { type Attempt, checkHistory, type Seen } from "./history.ts";

export const CONTROL_PLANES = ["control-1", "control-2", "control-3"] as const;
export type Machine = (typeof CONTROL_PLANES)[number] | "node-2";

const clock = machineClock();
const DISK_MEBIBYTES = 192;
const WELL_MS = 120_000;
const LOG_LINES = 30;
const INFORMER = join(import.meta.dirname, "../../../../.peers/bin/informer");

/** The line that the peer `informer` prints. */
interface InformerResult {
  readonly requests: number;
  readonly failed: readonly string[];
  readonly missed: readonly string[];
}
const RESTARTS = ".status.containerStatuses[0].restartCount";
const PODS = [
  "get",
  "pods",
  "-o",
  `jsonpath={range .items[*]}{.metadata.uid} {${RESTARTS}}{'\\n'}{end}`,
];

const WORKLOAD = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: kept }
spec:
  replicas: 3
  selector: { matchLabels: { app: kept } }
  template:
    metadata: { labels: { app: kept } }
    spec: { containers: [{ name: c, image: r2k.local/busybox:1, command: [sleep, "100000"] }] }
`;

const diskOf = (host: OwnHost, name: string, machine: Machine) =>
  join(host.dir, "data", name, "control-planes", machine);

async function giveDisk(host: OwnHost, name: string, machine: Machine): Promise<void> {
  const disk = diskOf(host, name, machine);
  mkdirSync(disk, { recursive: true });
  const size = `size=${DISK_MEBIBYTES}m`;
  const done = await host.run("mount", ["-t", "tmpfs", "-o", size, "r2k-chaos", disk]);
  require(done.code === 0, "surroundings", done.stderr);
}

/** Three control planes, each with a small disk, and two nodes, with clients and what they saw. */
export class Machines {
  readonly cluster: TestCluster;
  readonly #attempts: Attempt[] = [];
  #judged = 0;
  #seen: Seen | undefined;
  #client: ChildProcess | undefined;
  #values: ReadonlyMap<string, string> = new Map();
  #pods = "";

  private constructor(cluster: TestCluster) {
    this.cluster = cluster;
  }

  static async open(name: string): Promise<Machines> {
    const host = await OwnHost.create();
    for (const machine of CONTROL_PLANES) await giveDisk(host, name, machine);
    const flags = ["--control-planes", "3", "--nodes", "2", "--no-demo"];
    const machines = new Machines(await TestCluster.startIn(host, name, flags));
    await machines.cluster.apply(WORKLOAD);
    await machines.cluster.ask("rollout", "status", "deployment/kept", "--timeout=60s");
    machines.#pods = await machines.cluster.ask(...PODS);
    return machines;
  }

  /** Attempts since the last judgement. */
  get attempts(): readonly Attempt[] {
    return this.#attempts;
  }

  get judged(): number {
    return this.#judged;
  }

  /** Starts clients; resolves once they are answered. */
  async startClients(): Promise<void> {
    const program = join(import.meta.dirname, "client.ts");
    const args = ["--disable-warning=ExperimentalWarning", program, this.#kubeconfig];
    const client = this.cluster.host.start(process.execPath, args);
    this.#client = client;
    client.stderr!.on("data", (data: Buffer) => process.stderr.write(data));
    createInterface({ input: client.stdout! }).on("line", (line) => {
      const read = JSON.parse(line) as Attempt | Seen;
      if ("objects" in read) this.#seen = read;
      else this.#attempts.push(read);
    });
    await this.answers(20);
  }

  /**
   * Starts client-go's informer, which writes, too, where `npm run peers` built it; returns what
   * ends it and resolves with what it went through.
   */
  startInformer(): (() => Promise<InformerResult>) | undefined {
    if (!existsSync(INFORMER)) return undefined;
    const args = [this.#kubeconfig, "default", "chaos-go"];
    const child = this.cluster.host.start(INFORMER, args);
    const ended = text(child.stdout!);
    return async () => {
      child.stdin!.end();
      return JSON.parse(await ended) as InformerResult;
    };
  }

  get #kubeconfig(): string {
    return this.cluster.env["KUBECONFIG"] ?? "";
  }

  /** Waits until clients are answered so many times more. */
  async answers(count: number): Promise<void> {
    const answered = () => this.#attempts.filter(({ failure }) => failure === undefined).length;
    const before = answered();
    const enough = () => answered() >= before + count;
    await waitFor("clients to be answered", enough, { clock, timeout_ms: WELL_MS });
  }

  /** Stops the clients and judges what they and the pods have gone through. */
  async judge(): Promise<void> {
    const client = this.#client!;
    const ended = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.stdin!.write("end\n");
    await ended;
    const seen = this.#seen;
    require(seen !== undefined, "progress", "the clients ended early");
    require(seen!.missedByInformer.length === 0, "watch", `missed: ${seen!.missedByInformer}`);
    checkHistory(this.#attempts, this.#values);
    this.#judged += this.#attempts.length;
    this.#attempts.length = 0;
    this.#values = new Map(await this.#stored());
    const pods = await this.cluster.ask(...PODS);
    require(pods === this.#pods, "running pods are untouched", `${this.#pods}\nthen\n${pods}`);
  }

  async #stored(): Promise<(readonly [string, string])[]> {
    const path = "jsonpath={range .items[*]}{.metadata.name} {.data.value}{'\\n'}{end}";
    const text = await this.cluster.ask("get", "configmaps", "-o", path);
    return text.split("\n").map((line) => line.split(" ") as [string, string]);
  }

  async pidOf(machine: Machine): Promise<number | null> {
    const title = machine === "node-2" ? "node node-2" : `control ${machine}`;
    return (await this.cluster.processes()).find(({ name }) => name === title)?.pid ?? null;
  }

  async signal(machine: Machine, signal: NodeJS.Signals): Promise<void> {
    const pid = await this.pidOf(machine);
    if (pid !== null) process.kill(pid, signal);
  }

  /** Pulls a machine's cable, or puts it back. */
  async cable(machine: Machine, state: "up" | "down"): Promise<void> {
    const { host, name } = this.cluster;
    const netns = join(host.dir, "run", name, "netns/underlay");
    const cut = await host.run("nsenter", [`--net=${netns}`, "ip", "link", "set", machine, state]);
    require(cut.code === 0, "fault", cut.stderr);
  }

  #ballast(machine: Machine): string {
    const { host, name } = this.cluster;
    return join(`/proc/${host.pid}/root`, diskOf(host, name, machine), "ballast");
  }

  /** Nothing more fits on a machine's disk. */
  fillDisk(machine: Machine): void {
    const block = Buffer.alloc(1024 * 1024);
    try {
      for (let i = 0; i <= DISK_MEBIBYTES; i++) appendFileSync(this.#ballast(machine), block);
    } catch (thrown) {
      if ((thrown as { code?: string }).code !== "ENOSPC") throw thrown;
    }
  }

  emptyDisk(machine: Machine): void {
    rmSync(this.#ballast(machine), { force: true });
  }

  /** A control plane is lost with its disk, and another takes its place, by two commands. */
  async replace(machine: (typeof CONTROL_PLANES)[number]): Promise<void> {
    const { host, name } = this.cluster;
    const change = async (verb: string) => {
      const done = await host.r2k(["control-plane", verb, machine, "--name", name]);
      require(done.code === 0, `control-plane ${verb}`, done.stderr);
    };
    await this.signal(machine, "SIGKILL");
    const lost = await host.run("umount", ["-l", diskOf(host, name, machine)]);
    require(lost.code === 0, "fault", lost.stderr);
    await change("remove");
    await giveDisk(host, name, machine);
    await change("add");
  }

  /** Ends a control plane gracefully and starts it again. */
  async restart(machine: (typeof CONTROL_PLANES)[number]): Promise<void> {
    const { host, name } = this.cluster;
    for (const verb of ["stop", "start"]) {
      const done = await host.r2k(["control-plane", verb, machine, "--name", name]);
      require(done.code === 0, `control-plane ${verb}`, done.stderr);
    }
  }

  /** Starts a control plane whose process has ended, and waits until all answer and are ready. */
  async well(): Promise<void> {
    for (const machine of CONTROL_PLANES) {
      const { host, name } = this.cluster;
      if ((await this.pidOf(machine)) !== null) continue;
      const started = await host.r2k(["control-plane", "start", machine, "--name", name]);
      require(started.code === 0, "recovery", started.stderr);
    }
    await this.answers(20);
    await waitFor(
      "all API servers ready",
      async () => {
        const states =
          this.#balancerLog()
            .at(-1)
            ?.match(/ ready/g) ?? [];
        return states.length === CONTROL_PLANES.length;
      },
      { clock, timeout_ms: WELL_MS, interval_ms: 200 },
    );
  }

  #balancerLog(): string[] {
    const { host, name } = this.cluster;
    const log = readFileSync(join(host.dir, "data", name, "logs/host.log"), "utf8");
    return log.split("\n").filter((line) => line.includes('"msg":"API servers"'));
  }

  /** The last lines of the machines' logs, by which a broken property is understood. */
  logTails(): string {
    const { host, name } = this.cluster;
    const data = join(`/proc/${host.pid}/root`, host.dir, "data", name);
    const files = globSync("{logs,control-planes/*/logs}/*.log", { cwd: data });
    return files
      .map((file) => {
        const lines = readFileSync(join(data, file), "utf8").trimEnd().split("\n");
        return [`--- ${file}`, ...lines.slice(-LOG_LINES)].join("\n");
      })
      .join("\n");
  }

  /** How long a fault lasts is not longer on a busy machine. */
  async pause(hold_ms: number): Promise<void> {
    await delay(systemClock(), hold_ms);
  }

  async close(): Promise<void> {
    this.#client?.kill("SIGKILL");
    await this.cluster.close();
  }
}
