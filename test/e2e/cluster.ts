import type { ChildProcess } from "node:child_process";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { machineClock, slowdown } from "@raft2kube/linux/proc/machine-clock.ts";
import { waitFor } from "../../testing/wait.ts";
import { type Outcome, OwnHost, type RunOptions } from "./own-host.ts";

const clock = machineClock();

/** Pause between two calls of kubectl or r2k: each takes a tenth of a second of a processor. */
export const ASK_MS = 1_500;

/** Events that a failed wait shows. */
const WARNINGS_SHOWN_MAX = 20;

/** A kubectl ends before it has to collect garbage, which takes an eighth of its time. */
const KUBECTL = { GOGC: "off", GOMEMLIMIT: "256MiB" };

export interface ClusterProcess {
  readonly name: string;
  readonly pid: number | null;
  readonly supervisor: number | null;
  readonly restarts: { readonly count: number } | null;
}

/** SIGKILL to processes and their supervisors. */
export function killAll(processes: readonly ClusterProcess[]): void {
  for (const { supervisor } of processes) if (supervisor) process.kill(supervisor, "SIGKILL");
  for (const { pid } of processes) if (pid) process.kill(pid, "SIGKILL");
}

/** A cluster in a host of its own, driven by the real kubectl. */
export class TestCluster {
  readonly host: OwnHost;
  readonly name: string;
  /** The default namespace of kubectl. */
  readonly namespace: string;
  #kubeconfig = "";

  private constructor(host: OwnHost, name: string, namespace = "default") {
    this.host = host;
    this.name = name;
    this.namespace = namespace;
  }

  /** Starts it by `r2k start`; fails with everything that was printed. */
  static async start(name: string, flags: readonly string[] = []): Promise<TestCluster> {
    return TestCluster.startIn(await OwnHost.create(), name, flags);
  }

  /** Starts it in a host that is there already; closing the cluster closes the host too. */
  static async startIn(
    host: OwnHost,
    name: string,
    flags: readonly string[] = [],
  ): Promise<TestCluster> {
    const cluster = new TestCluster(host, name);
    await cluster.up(flags);
    return cluster;
  }

  /** The same as `startIn`, without a start where all of the cluster's processes run already. */
  static async joinIn(
    host: OwnHost,
    name: string,
    flags: readonly string[] = [],
  ): Promise<TestCluster> {
    const cluster = new TestCluster(host, name);
    cluster.#kubeconfig = join(host.dir, "data", name, "admin.conf");
    const isThere = existsSync(cluster.#kubeconfig);
    const runs = isThere && (await cluster.processes()).every(({ pid }) => pid !== null);
    if (!runs) await cluster.up(flags);
    return cluster;
  }

  async up(flags: readonly string[] = []): Promise<void> {
    const started = await this.host.r2k(["start", "--name", this.name, "-o", "json", ...flags]);
    if (started.code !== 0) throw new Error(`r2k start:\n${started.stderr}${started.stdout}`);
    const { kubeconfig } = JSON.parse(started.stdout) as { kubeconfig: string };
    this.#kubeconfig ||= kubeconfig;
  }

  /**
   * Kills the cluster's processes and what would start them again, as a power loss of theirs;
   * containers run on.
   */
  async kill(): Promise<void> {
    killAll(await this.processes());
  }

  /** The cluster's processes, as `r2k status` shows them, which takes 0.3 s to start each time. */
  async processes(): Promise<ClusterProcess[]> {
    const { configPath, readConfigFile } = await import("../../cli/spec/config.ts");
    const { readJoiningNodes } = await import("../../cli/spec/nodes.ts");
    const { processStatuses } = await import("../../cli/commands/status.ts");
    const file = configPath(join(this.host.dir, "data", this.name));
    const config = await readConfigFile(file, this.name);
    return processStatuses(config, await readJoiningNodes(config));
  }

  /** The same cluster, seen from a new namespace of its own, which `leave` deletes. */
  async inNamespace(namespace: string): Promise<TestCluster> {
    await this.ask("create", "namespace", namespace);
    const inside = new TestCluster(this.host, this.name, namespace);
    inside.#kubeconfig = join(this.host.dir, `${namespace}.conf`);
    copyFileSync(this.#kubeconfig, inside.#kubeconfig);
    await inside.ask("config", "set-context", "--current", `--namespace=${namespace}`);
    // Without it no pod is admitted.
    const account = ["get", "serviceaccount", "default", "-o", "name"];
    await inside.until("the service account", account, (name) => name !== "");
    return inside;
  }

  /** Ends what was started here and deletes the namespace, without waiting until it is gone. */
  async leave(): Promise<void> {
    await this.ask("delete", "namespace", this.namespace, "--wait=false");
    await this.host.close();
  }

  /** Variables for a client of this cluster. */
  get env(): Record<string, string> {
    return { KUBECONFIG: this.#kubeconfig };
  }

  /** Runs kubectl; its limit is longer on a busy machine, as those of the tests are. */
  kubectl(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const env = { ...KUBECTL, ...this.env, ...options.env };
    const limited = args.map((arg) =>
      arg.replace(/^--timeout=(\d+)s$/, (_, limit_s: string) => {
        return `--timeout=${Math.ceil(Number(limit_s) * slowdown())}s`;
      }),
    );
    return this.host.run("kubectl", limited, { ...options, env });
  }

  /** kubectl's standard output; throws with its error text when it fails. */
  async ask(...args: string[]): Promise<string> {
    const outcome = await this.kubectl(args);
    if (outcome.code === 0) return outcome.stdout.trim();
    throw new Error(`kubectl ${args.join(" ")}: ${outcome.stderr}${outcome.stdout}`);
  }

  startKubectl(args: readonly string[]): ChildProcess {
    return this.host.start("kubectl", args, { env: this.env });
  }

  /** Applies a manifest's text. */
  async apply(manifest: string): Promise<string> {
    const outcome = await this.kubectl(["apply", "-f", "-"], { input: manifest });
    if (outcome.code === 0) return outcome.stdout;
    throw new Error(`kubectl apply: ${outcome.stderr}`);
  }

  /** Waits until kubectl's answer satisfies `accept`; resolves with the answer. */
  async until(
    what: string,
    args: readonly string[],
    accept: (answer: string) => boolean,
    timeout_ms = 60_000,
  ): Promise<string> {
    let last = "";
    try {
      return await waitFor(
        what,
        async () => {
          const outcome = await this.kubectl(args);
          last = outcome.stdout + outcome.stderr;
          return outcome.code === 0 && accept(outcome.stdout.trim()) && { answer: last.trim() };
        },
        { clock, timeout_ms, interval_ms: ASK_MS },
      ).then((found) => found.answer);
    } catch (thrown) {
      const text = `${String(thrown)}; the last answer was:\n${last}\n${await this.#situation()}`;
      throw new Error(text, { cause: thrown });
    }
  }

  /** Pods, claims and the last warnings of the namespace: why a wait was in vain. */
  async #situation(): Promise<string> {
    const limit = "--request-timeout=10s";
    const warnings = ["--field-selector=type=Warning", "--sort-by=.metadata.creationTimestamp"];
    const pods = await this.kubectl(["get", "pods,pvc", "-o", "wide", limit]);
    const events = await this.kubectl(["get", "events", ...warnings, limit]);
    const last = events.stdout.trim().split("\n").slice(-WARNINGS_SHOWN_MAX);
    return [pods.stdout + pods.stderr, ...last, events.stderr].join("\n");
  }

  /** Returns curl's output for a URL, run on the host. */
  async curl(url: string): Promise<string> {
    const outcome = await this.host.run("curl", ["-sS", "--max-time", "5", url]);
    if (outcome.code === 0) return outcome.stdout;
    throw new Error(`curl ${url}: ${outcome.stderr}`);
  }

  async down(flags: readonly string[] = ["--purge"]): Promise<Outcome> {
    return this.host.r2k(["down", "--name", this.name, ...flags]);
  }

  /** Takes the cluster down and ends its host. */
  async close(): Promise<void> {
    const outcome = await this.down();
    await this.host.close();
    if (outcome.code !== 0) throw new Error(`r2k down: ${outcome.stderr}`);
  }
}
