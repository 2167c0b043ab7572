import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cleanup as removePolicies } from "@raft2kube/network-policy/main.ts";
import { cleanup as removeOverlay } from "@raft2kube/overlay/main.ts";
import { cleanup as removeProxy } from "@raft2kube/proxy/main.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { tryCommand } from "../preflight/command.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { endProcess } from "../apply/end-process.ts";
import { removeNodeFromHost, unmountBelow } from "../apply/remove.ts";
import { podsCgroupIn } from "./config/kubelet-config.ts";
import {
  CERTIFICATES_DIR, ETCD_DATA_DIR, KUBELET_CONFIG, KUBELET_DIR, KUBERNETES_DIR, kubeconfigPath,
  MANIFESTS_DIR, NODE_AGENT,
} from "./layout.ts";

const KUBECONFIGS = [
  "admin", "super-admin", "kubelet", "bootstrap-kubelet", "controller-manager", "scheduler",
];
/** Links that the pods' network makes. */
const LINKS = ["cni0"];

/** Undoes `init` or `join` on this machine, in any state; it can be repeated. */
export async function resetMachine(clock: Clock, note: (line: string) => void): Promise<void> {
  const cgroup = podsCgroupIn(await readIfPresent(KUBELET_CONFIG));
  const { dataDir, runDir, subnetFile, cniConfDir, cniBinDir } = NODE_AGENT;
  const place = { name: "machine", dataDir, runDir, joins: { cgroup } };
  note("[reset] Stopping the kubelet service");
  // The manifests first: nothing starts these pods again.
  await rm(MANIFESTS_DIR, { recursive: true, force: true });
  await endProcess(place, "machine", clock);
  note("[reset] Removing kubernetes-managed containers, mounts and rules");
  await removeNodeFromHost(place, clock);
  unmountBelow([KUBELET_DIR, dataDir, runDir]);
  await removeProxy();
  await removePolicies();
  await removeOverlay({ subnetFile });
  for (const link of LINKS) await tryCommand("ip", "link", "delete", link);
  await removeTables();
  note("[reset] Deleting the stateful directories and files");
  const files = [...KUBECONFIGS.map(kubeconfigPath), join(cniConfDir, "10-r2k.conflist")];
  const folders = [
    CERTIFICATES_DIR, KUBELET_DIR, ETCD_DATA_DIR, dataDir, runDir, "/var/log/pods",
    "/var/log/containers", cniBinDir,
  ];
  for (const path of [...files, ...folders]) await rm(path, { recursive: true, force: true });
  // Folders that are others' too stay while something is in them.
  const above = [cniConfDir, dataDir, runDir].map(dirname);
  const shared = ["/run/crun", KUBERNETES_DIR, cniConfDir, ...above];
  for (const path of shared) await removeIfEmpty(path);
}

/** Removes what rules of the product are left: those of pods whose plugins were not called. */
async function removeTables(): Promise<void> {
  const { output } = await tryCommand("nft", "list", "tables");
  for (const [, family = "", name = ""] of output.matchAll(/^table (\w+) (r2k-[\w-]+)$/gm)) {
    await tryCommand("nft", "delete", "table", family, name);
  }
}

async function removeIfEmpty(path: string): Promise<void> {
  try {
    if ((await readdir(path)).length === 0) await rm(path, { recursive: true });
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
}
