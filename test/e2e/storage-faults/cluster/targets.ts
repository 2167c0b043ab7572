import type { ChildProcess } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@raft2kube/std/errors.ts";
import { clusterFiles } from "../../../../cli/pki/identities.ts";
import { type ClusterConfig, configPath } from "../../../../cli/spec/config.ts";
import { nodePaths } from "../../../../cli/spec/paths.ts";
import { killed } from "../../../../testing/killed.ts";
import { killAll, type TestCluster } from "../../cluster.ts";
import { PARTS, PartProcesses } from "../../part-processes.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const NODE = join(ROOT, "node_modules/node/bin/node");
const BUNDLE = join(ROOT, ".cache/bundle/main.js");

/** A process of the cluster: it can be killed at any time, and started again. */
export interface Target {
  readonly name: string;
  /** Resolves with a text if it had ended by itself. */
  kill(): Promise<string | undefined>;
  start(): void;
}

/** The other node, one process in the cluster's own way: its supervisor starts it again. */
export const OTHER_NODE = "other";

/**
 * Starts a cluster of two nodes. The first one's parts, the control plane's, and a driver whose
 * volumes are attached with its sidecars are processes of their own; the other node is one process.
 */
export async function startTargets(cluster: TestCluster): Promise<Target[]> {
  const added = await cluster.host.r2k(["node", "add", OTHER_NODE, "--name", cluster.name]);
  if (added.code !== 0) throw new Error(`r2k node add: ${added.stderr}`);
  const processes = await cluster.processes();
  killAll(processes.filter(({ name }) => name !== `node ${OTHER_NODE}`));
  await cluster.host.run("mount", ["-t", "tmpfs", "r2k-log", "/var/log"]);
  const parts = new PartProcesses(cluster);
  const targets = [
    ...PARTS.map((name) => ({
      name,
      kill: () => endedByItself(() => parts.kill(name)),
      start: () => parts.start(name),
    })),
    ...attachingProcesses(cluster),
  ];
  for (const target of targets) target.start();
  return [...targets, { name: `node ${OTHER_NODE}`, kill: () => killNode(cluster), start() {} }];
}

async function endedByItself(kill: () => Promise<void>): Promise<string | undefined> {
  try {
    return void (await kill());
  } catch (thrown) {
    return messageOf(thrown);
  }
}

async function killNode(cluster: TestCluster): Promise<undefined> {
  const node = (await cluster.processes()).find(({ name }) => name === `node ${OTHER_NODE}`);
  if (node?.pid) process.kill(node.pid, "SIGKILL");
}

/** Where the attaching driver has its data. */
export const attachingData = (cluster: TestCluster): string => join(cluster.host.dir, "attaching");

function attachingProcesses(cluster: TestCluster): Target[] {
  const { dir } = cluster.host;
  const file = configPath(join(dir, "data", cluster.name));
  const config = JSON.parse(readFileSync(file, "utf8")) as ClusterConfig;
  const registry = join(nodePaths(config).kubeletRoot, "plugins_registry");
  const socket = join(dir, "attaching.sock");
  const data = attachingData(cluster);
  mkdirSync(data);
  const access = [
    "--kubeconfig",
    clusterFiles(config).kubeconfig("admin"),
    "--csi-address",
    `unix://${socket}`,
  ];
  const main = join(import.meta.dirname, "attaching-main.ts");
  const commands = {
    "attaching driver": [NODE, main, socket, registry, data, config.nodeName],
    "its csi-provisioner": [NODE, BUNDLE, "csi-provisioner", ...access],
    "its csi-attacher": [NODE, BUNDLE, "csi-attacher", ...access],
  };
  return Object.entries(commands).map(([name, command]) => {
    let child: ChildProcess | undefined;
    const log = join(dir, `${name.replaceAll(" ", "-")}.log`);
    return {
      name,
      start() {
        const [program = "", ...words] = command;
        child = cluster.host.start(program, words, { env: { R2K_ROOT: ROOT } });
        const out = createWriteStream(log, { flags: "a" });
        child.stdout!.pipe(out, { end: false });
        child.stderr!.pipe(out, { end: false });
      },
      async kill() {
        if (!child || child.exitCode !== null) {
          return `${name} had ended by itself:\n${readFileSync(log, "utf8").slice(-1_000)}`;
        }
        return void (await killed(child));
      },
    };
  });
}
