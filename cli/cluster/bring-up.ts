import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { purgeData, removeFromHost } from "../apply/remove.ts";
import { addNodeLink, addUnderlay } from "../apply/node-link.ts";
import { bringUpNodes } from "../apply/nodes.ts";
import { newNodes } from "../locks/nodes.ts";
import { ensureProcess, hasProcess, nodeReady, type StartContext } from "../apply/process.ts";
import { removeNode } from "../apply/remove-node.ts";
import { CommandError, type Progress } from "../terminal.ts";
import { applyFolder, createMissing } from "../apply/addons.ts";
import { ADDONS_DIR, EXAMPLES_DIR } from "../assets.ts";
import { type ClusterConfig, writeCluster } from "../spec/config.ts";
import { firstAnswer } from "../apply/demo.ts";
import { ownPluginsDir } from "../spec/paths.ts";
import type { ClusterFiles } from "../pki/identities.ts";
import { interruptForTest } from "./interrupt-for-test.ts";
import { noteLogs, withKeptLogs } from "../supervisor/keep-logs.ts";
import { ensurePki } from "../pki/pki.ts";
import { checkStoreData } from "../observe/store-data.ts";
import { storeMemberNames } from "../spec/store.ts";
import { installPlugins } from "../apply/plugins.ts";

export interface BringUp extends StartContext {
  readonly config: ClusterConfig;
  /** The nodes beside the first that are to run. */
  readonly joining: readonly ClusterConfig[];
  /** No start of this cluster has succeeded before: undoing it removes its data too. */
  readonly isNew: boolean;
  /** Whether the store has lost its data, and may start with none. */
  readonly newStore: boolean;
  readonly demo: boolean;
  readonly progress: Progress;
  /**
   * Called when a new cluster's folder is there, before others can see the cluster by its
   * configuration. If it fails, nothing is undone: the cluster may be another command's.
   */
  made?(): Promise<void>;
  /** Called when the configuration is written: its address ranges are taken from then on. */
  written?(): Promise<void>;
}

/**
 * Brings a cluster up, step by step, until the demo answers. When a step fails or `signal` aborts,
 * what this call made is removed again, and the error is thrown, or CommandError `INTERRUPTED`. A
 * cluster of which a process ran before keeps what it has: the same call continues from there.
 */
export async function bringUp(what: BringUp): Promise<void> {
  const { config, progress } = what;
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  await what.made?.();
  const ranBefore = hasProcess(config);
  try {
    await steps(what);
  } catch (thrown) {
    const kept = ranBefore ? undefined : await undo(what);
    const left = ranBefore ? "what runs stays" : "what this start made is removed again";
    if (!what.signal.aborted) {
      if (ranBefore) progress.note(`  ${left}: r2k status --name ${config.name}`);
      throw withKeptLogs(thrown, kept);
    }
    throw new CommandError("INTERRUPTED", `interrupted; ${left}`, { exitCode: 130, cause: thrown });
  }
}

/** Returns where the logs are kept, if they are. */
async function undo(what: BringUp): Promise<string | undefined> {
  const { config, progress, clock } = what;
  const kept = what.isNew && !what.signal.aborted ? await noteLogs(config, progress) : undefined;
  await progress.step("undoing this start", async () => {
    await removeFromHost(config, clock);
    if (what.isNew) await purgeData(config);
  });
  return kept;
}

async function steps(what: BringUp): Promise<void> {
  const { config, progress, signal } = what;
  const step = async <T>(title: string, work: () => Promise<T>): Promise<T> => {
    const result = await progress.step(title, () => untilAborted(signal, work));
    await interruptForTest(title, what);
    if (signal.aborted) throw new CommandError("INTERRUPTED", "interrupted");
    return result;
  };
  checkStoreData(config, what.newStore);
  const notes: string[] = [];
  const files = await step("certificates and plugins", () =>
    prepareFiles(what, notes),
  );
  notes.forEach(progress.note);
  await step("network namespace of the node", async () => {
    await addUnderlay(config);
    await addNodeLink(config);
  });
  const members = storeMemberNames(config);
  if (members.length > 0) {
    // Each waits for a majority.
    await step(`store of ${members.length} members`, async () => {
      await Promise.all(members.map((name) => ensureProcess(config, name, what)));
    });
  }
  await step("control plane", () => ensureProcess(config, "control", what));
  const connection = await kubeConnection(files.kubeconfig("admin"));
  const client = new KubeClient({ ...connection, clock: what.clock, qps: 1000, burst: 1000 });
  let added: ClusterConfig[] = [];
  let joined: Promise<void> | undefined;
  try {
    await step("add-ons", () => applyFolder(client, ADDONS_DIR, config));
    await step("node", () => ensureProcess(config, "node", what));
    await step("node ready", () => nodeReady(client, config, what));
    if (what.joining.length > 0) {
      const names = what.joining.map((node) => node.nodeName).join(", ");
      // No other machine can be a Node of a new cluster: none trusts its CA.
      if (!what.isNew) added = await newNodes(client, what.joining);
      await step(`nodes joined: ${names}`, () => {
        return (joined = bringUpNodes(client, config, what.joining, what));
      });
    }
    if (what.demo) {
      const manifest = join(EXAMPLES_DIR, "web.yaml");
      const created = await step("demo", () => createMissing(client, manifest, config));
      if (created === 0) return; // It is what its user has made of it since.
      const { address, body } = await step("first answer through the Service", () =>
        firstAnswer(client, what.clock, signal),
      );
      progress.note(`\n$ curl http://${address}/\n${body.trimEnd()}`);
    }
  } catch (thrown) {
    await Promise.allSettled([joined]);
    await removeAdded(client, added, what);
    throw thrown;
  } finally {
    client.close();
  }
}

/** Removes nodes that this start has added to a cluster whose data stays. */
async function removeAdded(
  client: KubeClient,
  added: readonly ClusterConfig[],
  { clock, progress }: BringUp,
): Promise<void> {
  for (const node of added) {
    try {
      await removeNode(client, node, node.nodeName, clock);
    } catch (thrown) {
      progress.note(`  node ${node.nodeName} cannot be removed: ${messageOf(thrown)}`);
    }
  }
}

async function prepareFiles(what: BringUp, notes: string[]): Promise<ClusterFiles> {
  const { config, clock } = what;
  await mkdir(config.runDir, { recursive: true, mode: 0o700 });
  await writeCluster(config);
  await what.written?.();
  if (config.cniBinDir === undefined) await installPlugins(ownPluginsDir(config));
  return ensurePki(config, clock.now(), (line) => notes.push(line));
}

/** Rejects when the signal aborts; the caller then stops what `work` has started. */
function untilAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new CommandError("INTERRUPTED", "interrupted"));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    work().then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
