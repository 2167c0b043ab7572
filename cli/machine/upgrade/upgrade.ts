import type { DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { DAEMON_SETS, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { lockMachine } from "../../locks/machine.ts";
import { CommandError } from "../../terminal.ts";
import { API_LEVEL } from "../../version.ts";
import { awaited, type MachineContext, machineClient, within } from "../context.ts";
import { MANIFESTS_DIR, UPGRADE_BACKUP_DIR } from "../layout.ts";
import { addonPhase, uploadConfig } from "../phases/cluster.ts";
import { manifestOf } from "../phases/files.ts";
import { imageOf } from "../release-images.ts";
import { flagOf, type StaticPod } from "../static-pods.ts";
import { clusterParts, type OwnMachine } from "./cluster.ts";
import { withReleaseImages } from "./images.ts";
import { withLease } from "./lease.ts";
import { upgradeNodeAgent } from "./node-agent.ts";
import { upgradeStaticPods } from "./static-pods.ts";
import { nodeFaults, requireNone, requireUpgradable } from "./versions.ts";

/** A machine and the release that it is upgraded to: this one. */
export interface Upgrade {
  readonly context: MachineContext;
  readonly machine: OwnMachine;
  /** The version in the cluster's stored configuration. */
  readonly cluster: string;
  readonly build: string;
}

const ADDONS_TIMEOUT_MS = 60_000;
const API_TIMEOUT_MS = 60_000;

/** The manifests of this release for a machine, with what is this machine's own in the old ones. */
export async function newManifests(
  context: MachineContext,
  { manifests }: Pick<OwnMachine, "manifests">,
): Promise<Map<StaticPod, string>> {
  const etcd = manifests.get("etcd") ?? "";
  // The manifest of a member that joined names the others; the store has its members since then.
  const joined = flagOf(etcd, "initial-cluster-state") === "existing";
  const members = joined ? flagOf(etcd, "initial-cluster") : undefined;
  const texts = new Map<StaticPod, string>();
  for (const pod of manifests.keys()) {
    texts.set(pod, await manifestOf(context, pod, pod === "etcd" ? members : undefined));
  }
  return texts;
}

/** `upgrade apply`: the first control plane machine, then what all machines share. */
export async function applyUpgrade({ context, machine, cluster, build }: Upgrade): Promise<void> {
  requireControlPlane(machine);
  using _lock = lockMachine();
  using client = await machineClient(context);
  await withLease(context, client, async () => {
    const { progress } = context;
    progress.note("[preflight] Running pre-flight checks");
    await client.requestText({ method: "GET", path: "/readyz" });
    requireUpgradable(API_LEVEL, await clusterParts(client, cluster));
    progress.note(`[upgrade/versions] Cluster version: ${cluster}`);
    progress.note(`[upgrade/versions] r2k version: ${API_LEVEL} (build ${build})`);
    const upgraded = await withReleaseImages(context, build);
    await upgradeStaticPods(upgraded, await newManifests(upgraded, machine));
    await uploadConfig(upgraded);
    await upgradeNodeAgent(upgraded, build);
    await upgradeAddons(upgraded, client);
  });
}

/** `upgrade node`: this machine, after the first control plane machine. */
export async function upgradeNode({ context, machine, cluster, build }: Upgrade): Promise<void> {
  const work = async () => {
    requireNone(nodeFaults(API_LEVEL, cluster));
    const upgraded = await withReleaseImages(context, build);
    await upgradeStaticPods(upgraded, await newManifests(upgraded, machine));
    await upgradeNodeAgent(upgraded, build);
  };
  using _lock = lockMachine();
  if (machine.manifests.size === 0) return await work();
  using client = await machineClient(context);
  await withLease(context, client, work);
}

/** A client with what a machine may do in the cluster: a worker by its kubelet's certificate. */
export const ownClient = (context: Pick<MachineContext, "clock">, { manifests }: OwnMachine) =>
  machineClient(context, manifests.size > 0 ? undefined : "kubelet");

/**
 * Waits for the API server, which an interrupted upgrade may have left at its start. Throws
 * CommandError `UPGRADE` where it does not come back.
 */
export async function untilAnswered(
  context: Pick<MachineContext, "clock">,
  machine: OwnMachine,
): Promise<void> {
  using client = await ownClient(context, machine);
  const ask = () => client.requestText({ method: "GET", path: "/readyz" });
  await awaited(context, "the API server", ask, API_TIMEOUT_MS, {
    code: "UPGRADE",
    text: "the API server does not answer since an upgrade was interrupted",
    remedy: `cp ${UPGRADE_BACKUP_DIR}/*.yaml ${MANIFESTS_DIR} puts the old manifests back`,
  });
}

export function requireControlPlane({ manifests, nodeName }: OwnMachine): void {
  if (manifests.size > 0) return;
  throw new CommandError("NO_CONTROL_PLANE", `${nodeName} is no control plane machine`, {
    remedy: "run this on one; here r2k upgrade node comes after it",
  });
}

/** Whether every node's proxy is of the newest template, and runs. */
async function proxied(client: KubeClient): Promise<boolean> {
  const name = { namespace: "kube-system", name: "kube-proxy" };
  const { metadata, status } = await client.resource<DaemonSet>(DAEMON_SETS).get(name);
  if (status === undefined || status.observedGeneration !== metadata.generation) return false;
  const { desiredNumberScheduled, updatedNumberScheduled = 0, numberAvailable = 0 } = status;
  return Math.min(updatedNumberScheduled, numberAvailable) >= desiredNumberScheduled;
}

/** Upgrades proxy and DNS once every node has their images: pods of theirs start on any. */
async function upgradeAddons(context: MachineContext, client: KubeClient): Promise<void> {
  const { nodeName, progress } = context;
  const { imageRepository } = context.config.cluster;
  const wanted = (["kube-proxy", "coredns"] as const).map((component) =>
    imageOf(component, imageRepository, context.buildOf?.(component)),
  );
  const lacking = async () => {
    const { items } = await client.resource<Node>(NODES).listAll({});
    const without = items.filter(({ status }) => {
      const names = new Set(status?.images?.flatMap((image) => image.names ?? []));
      return wanted.some((image) => !names.has(image));
    });
    return without.map(({ metadata }) => metadata.name);
  };
  const limits = within(context, ADDONS_TIMEOUT_MS);
  /** A node that is away has neither the images nor a new proxy: no one waits for longer. */
  const inTime = async (what: string, holds: () => Promise<boolean>) =>
    void (await tolerate(waitFor(what, holds, limits), errno("ETIMEDOUT")));
  await inTime("the Node to have the images", async () => !(await lacking()).includes(nodeName));
  const others = await lacking();
  if (others.length === 0) return addonPhase(context, (by) => inTime("proxies", () => proxied(by)));
  progress.note(
    `[upgrade/addon] kube-proxy and CoreDNS stay as they are: ${others.join(", ")} ` +
      "lack their images. On each: r2k upgrade node. Then here again: r2k upgrade apply",
  );
}
