import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay, waitFor } from "@raft2kube/std/wait.ts";
import { endProcess } from "../host/end-process.ts";
import { purgeData, removeFromHost } from "../host/remove.ts";
import { addNodeLink, nodeNetns } from "../host/node-link.ts";
import { type ProcessName, runningPid, startProcess } from "../supervisor/supervise.ts";
import { CommandError, type Progress } from "../terminal.ts";
import { applyFolder, createMissing } from "./addons.ts";
import { ADDONS_DIR, EXAMPLES_DIR } from "./assets.ts";
import { type ClusterConfig, configPath, writeCluster } from "./config.ts";
import { firstAnswer } from "./demo.ts";
import { logsDir, ownPluginsDir, processLog } from "./paths.ts";
import type { ClusterFiles } from "./identities.ts";
import { keepLogs } from "./keep-logs.ts";
import { ensurePki } from "./pki.ts";
import { checkStoreData } from "./store-data.ts";
import { installPlugins } from "./plugins.ts";

/**
 * V8's size of a semi-space (default 16 MiB), which it does not release until it idles for minutes,
 * and the growth of the old generation before a collection, by default to four times the live size:
 * after two minutes of mixed load 228 MiB with 70 MiB alive.
 */
const PROCESS_FLAGS: Readonly<Record<ProcessName, readonly string[]>> = {
  control: ["--max-semi-space-size=8", "--heap-growing-percent=50"],
  node: ["--max-semi-space-size=2", "--heap-growing-percent=50"],
};

export interface BringUp {
  readonly config: ClusterConfig;
  /** No start of this cluster has succeeded before: undoing it removes its data too. */
  readonly isNew: boolean;
  /** Its store has lost its data, and may begin with none. */
  readonly newStore: boolean;
  readonly demo: boolean;
  readonly clock: Clock;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** How long the node may take to be Ready. */
  readonly readyTimeout_ms: number;
}

const INTERRUPT_TIMEOUT_MS = 10_000;

/**
 * Brings a cluster up, step by step, until the demo answers. When a step fails or `signal` aborts,
 * what this call made is removed again, and the error is thrown.
 */
export async function bringUp(what: BringUp): Promise<void> {
  const { config, progress, clock } = what;
  try {
    await steps(what);
  } catch (thrown) {
    if (what.isNew && !what.signal.aborted) await noteLogs(config, progress);
    await progress.step("undoing this start", async () => {
      await removeFromHost(config, clock);
      if (what.isNew) await purgeData(config);
    });
    throw thrown;
  }
}

/** A failed write, on a full disk for example, must not prevent the rollback of the start. */
async function noteLogs(config: ClusterConfig, progress: Progress): Promise<void> {
  try {
    const kept = await keepLogs(logsDir(config), config.name);
    if (kept !== undefined) progress.note(`  the logs of this start are kept in ${kept}`);
  } catch (thrown) {
    progress.note(`  the logs of this start cannot be kept: ${messageOf(thrown)}`);
  }
}

async function steps(what: BringUp): Promise<void> {
  const { config, clock, progress, signal } = what;
  const step = async <T>(title: string, work: () => Promise<T>): Promise<T> => {
    const result = await progress.step(title, () => untilAborted(signal, work()));
    await interruptForTest(title, what);
    if (signal.aborted) throw new CommandError("INTERRUPTED", "interrupted");
    return result;
  };
  checkStoreData(config, what.newStore);
  const notes: string[] = [];
  const files = await step("certificates and plugins", () =>
    prepareFiles(config, clock, notes),
  );
  notes.forEach(progress.note);
  await step("network namespace of the node", () => addNodeLink(config));
  await step("control plane", () => ensureProcess(config, "control", what));
  const connection = await kubeConnection(files.kubeconfig("admin"));
  const client = new KubeClient({ ...connection, clock: what.clock, qps: 1000, burst: 1000 });
  try {
    await step("add-ons", () => applyFolder(client, ADDONS_DIR, config));
    await step("node", () => ensureProcess(config, "node", what));
    await step("node ready", () => nodeReady(client, what));
    if (what.demo) {
      const manifest = join(EXAMPLES_DIR, "web.yaml");
      const created = await step("demo", () => createMissing(client, manifest, config));
      if (created === 0) return; // It is what its user has made of it since.
      const { address, body } = await step("first answer through the Service", () =>
        firstAnswer(client, what.clock, signal),
      );
      progress.note(`\n$ curl http://${address}/\n${body.trimEnd()}`);
    }
  } finally {
    client.close();
  }
}

async function prepareFiles(
  config: ClusterConfig,
  clock: Clock,
  notes: string[],
): Promise<ClusterFiles> {
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  await mkdir(config.runDir, { recursive: true, mode: 0o700 });
  await writeCluster(config);
  if (config.cniBinDir === undefined) await installPlugins(ownPluginsDir(config));
  return ensurePki(config, clock.now(), (line) => notes.push(line));
}

async function ensureProcess(
  config: ClusterConfig,
  name: ProcessName,
  { signal, clock }: BringUp,
): Promise<void> {
  if (runningPid(config.runDir, name) !== undefined) return;
  await endProcess(config, name, clock);
  await startProcess(
    {
      name,
      configPath: configPath(config.dataDir),
      runDir: config.runDir,
      logPath: processLog(config, name),
      nodeFlags: PROCESS_FLAGS[name],
      ...(name === "node" ? { netns: nodeNetns(config) } : {}),
    },
    signal,
  );
}

/** Waits for the Node's condition Ready; an error has the condition's message. */
async function nodeReady(client: KubeClient, what: BringUp): Promise<void> {
  const { config, clock, readyTimeout_ms } = what;
  const nodes = client.resource<Node>(NODES);
  let reason = "it has not registered";
  try {
    await waitFor(
      `node ${config.nodeName} to be Ready`,
      async () => {
        const { status } = await nodes.get({ name: config.nodeName });
        const ready = status?.conditions?.find((item) => item.type === "Ready");
        reason = ready?.message ?? "it has no condition Ready";
        return ready?.status === "True";
      },
      { clock, timeout_ms: readyTimeout_ms, interval_ms: 50, signal: what.signal },
    );
  } catch (cause) {
    const message = `node ${config.nodeName} is not Ready: ${reason}`;
    throw new CommandError("NOT_READY", message, { cause });
  }
}

/** Rejects when the signal aborts; the caller then stops what `work` has started. */
function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new CommandError("INTERRUPTED", "interrupted"));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** A test names a step after which this process interrupts itself, as Ctrl-C would. */
async function interruptForTest(title: string, what: BringUp): Promise<void> {
  if (process.env["R2K_INTERRUPT_AFTER"] !== title) return;
  process.kill(process.pid, "SIGINT");
  await delay(what.clock, INTERRUPT_TIMEOUT_MS, what.signal);
}
