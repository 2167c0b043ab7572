import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { DAEMON_SETS, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { lockMachine } from "../../locks/machine.ts";
import { API_LEVEL } from "../../version.ts";
import { type MachineContext, machineClient, within } from "../context.ts";
import { KUBELET_KUBECONFIG } from "../layout.ts";
import { addonImage, addonPhase, uploadConfig } from "../phases/cluster.ts";
import { clusterParts } from "./cluster.ts";
import { withLease } from "./lease.ts";
import { upgradeNodeAgent } from "./node-agent.ts";
import { releaseFor, type Upgrade } from "./release.ts";
import { upgradeStaticPods } from "./static-pods.ts";
import { nodeFaults, requireNone, requireUpgradable } from "./versions.ts";

const ADDONS_TIMEOUT_MS = 60_000;

/** Upgrades this machine: the first one, with what all machines share, or another one. */
export async function upgradeMachine(upgrade: Upgrade, isFirst: boolean): Promise<void> {
  const { manifests, cluster, build, renewsCertificates } = upgrade;
  const { note } = upgrade.context;
  using _lock = lockMachine();
  const isPlane = manifests.size > 0;
  // A worker may do what its kubelet may.
  using client = await machineClient(upgrade.context, isPlane ? undefined : KUBELET_KUBECONFIG);
  const work = async () => {
    if (isFirst) {
      note("[preflight] Running pre-flight checks");
      await client.requestText({ method: "GET", path: "/readyz" });
      requireUpgradable(API_LEVEL, await clusterParts(client, cluster));
      note(`[upgrade/versions] Cluster version: ${cluster}`);
      note(`[upgrade/versions] r2k version: ${API_LEVEL} (build ${build})`);
    } else requireNone(nodeFaults(API_LEVEL, cluster));
    const { context, texts } = await releaseFor(upgrade);
    await upgradeStaticPods(context, texts, renewsCertificates);
    if (isFirst) {
      note("[upload-config] Upload the configuration to ConfigMaps");
      await uploadConfig(context);
    }
    await upgradeNodeAgent(context, build);
    if (isFirst) await upgradeAddons(context, client);
  };
  await (isPlane ? withLease(upgrade.context, client, work) : work());
}

/** Whether every node's proxy is of the newest template, and runs. */
async function proxied(client: KubeClient): Promise<boolean> {
  const name = { namespace: "kube-system", name: "kube-proxy" };
  const { metadata, status } = await client.resource(DAEMON_SETS).get(name);
  if (status === undefined || status.observedGeneration !== metadata.generation) return false;
  const { desiredNumberScheduled, updatedNumberScheduled = 0, numberAvailable = 0 } = status;
  return Math.min(updatedNumberScheduled, numberAvailable) >= desiredNumberScheduled;
}

/** Upgrades proxy and DNS once every node has their images: pods of theirs start on any. */
async function upgradeAddons(context: MachineContext, client: KubeClient): Promise<void> {
  const { nodeName, note } = context;
  const wanted = (["kube-proxy", "coredns"] as const).map((name) => addonImage(context, name));
  const lacking = async () => {
    const { items } = await client.resource(NODES).listAll({});
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
  note(
    `[upgrade/addon] kube-proxy and CoreDNS stay as they are: ${others.join(", ")} ` +
      "lack their images. On each: r2k upgrade node. Then here again: r2k upgrade apply",
  );
}
