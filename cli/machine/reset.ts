import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removePath, removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { cgroupsOf } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { freshOf } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { removeIfEmpty } from "@raft2kube/linux/file/remove-if-empty.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { cleanup as removePolicies } from "@raft2kube/network-policy/main.ts";
import { cleanup as removeOverlay } from "@raft2kube/overlay/main.ts";
import { cleanup as removeProxy } from "@raft2kube/proxy/main.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { refuseForeign } from "@raft2kube/store/node/data-dir.ts";
import { parse } from "yaml";
import { removePlugins } from "../apply/plugins.ts";
import { removeNodeFromHost, unmountBelow } from "../apply/remove.ts";
import { tryCommand } from "../preflight/command.ts";
import { CommandError } from "../terminal.ts";
import { removeNodeAgent } from "./agent/node-agent.ts";
import { podsCgroupIn } from "./config/kubelet-config.ts";
import { leaveEtcd } from "./etcd-members.ts";
import * as layout from "./layout.ts";

const KUBECONFIGS = [...layout.CONTROL_PLANE_USERS, "kubelet", "bootstrap-kubelet"];
/** Tables of rules that are a machine's; clusters beside it have `r2k-<name>` on the host. */
const TABLES = (
  "r2k-cni-bandwidth r2k-cni-masquerade r2k-cni-portmap r2k-cni-spoof r2k-cni-spoof-trial " +
  "r2k-connections r2k-network-policy r2k-overlay r2k-overlay-guard r2k-proxy r2k-proxy-clients " +
  "r2k-proxy-userspace r2k-queries"
).split(" ");

/** Undoes `init` or `join` on this machine, in any state; it can be repeated. */
export async function resetMachine(clock: Clock, note: (line: string) => void): Promise<void> {
  requireOwnMachine(await readIfPresent(layout.KUBELET_FLAGS));
  const config = await readIfPresent(layout.KUBELET_CONFIG);
  const cgroup = podsCgroupIn(config);
  const { dataDir, runDir, subnetFile, cniConfDir, cniBinDir } = layout.NODE_AGENT;
  const place = { name: "machine", dataDir, runDir, joins: { cgroup } };
  const etcdDir = await etcdDataDir(note);
  await leaveEtcd(note);
  note("[reset] Stopping the kubelet service");
  // The manifests first: nothing starts these pods again.
  await removePath(layout.MANIFESTS_DIR);
  await removeNodeAgent(clock);
  note("[reset] Removing kubernetes-managed containers, mounts and rules");
  await removeNodeFromHost(place, clock);
  cgroupsOf("machine").removeEmpty(dirname(cgroup));
  unmountBelow([layout.KUBELET_DIR, dataDir, runDir]);
  await removeProxy();
  await removePolicies();
  await removeOverlay({ subnetFile });
  const conflist = join(cniConfDir, "10-r2k.conflist");
  // The link of our network of pods; another one may have a bridge of this name.
  if (existsSync(conflist)) await tryCommand("ip", "link", "delete", "cni0");
  // Rules that are left: those of pods whose plugins were not called.
  const { output } = await tryCommand("nft", "list", "tables");
  for (const table of ownTables(output)) await tryCommand("nft", "delete", "table", ...table);
  note("[reset] Deleting the stateful directories and files");
  const files = [...KUBECONFIGS.map(layout.kubeconfigPath), conflist];
  const paths = [
    ...files,
    ...files.map(freshOf),
    layout.CERTIFICATES_DIR,
    dirname(layout.UPGRADE_BACKUP_DIR),
    layout.KUBELET_DIR,
    ...[...new Set([etcdDir, layout.ETCD_DATA_DIR])].flatMap((dir) => ownStore(dir, note)),
    dataDir,
    runDir,
    "/var/log/pods",
    "/var/log/containers",
  ];
  for (const path of paths) await removeFolder(path);
  await removePlugins(cniBinDir);
  const ca = /^\s*clientCAFile: *"?([^"\n]+?)"?$/m.exec(config ?? "")?.[1];
  if (ca !== undefined && existsSync(ca)) note(`[reset] Certificates stay in ${dirname(ca)}`);
  // Folders that are others' too stay while something is in them.
  const above = [cniConfDir, dataDir, runDir].map(dirname);
  const shared = ["/run/crun", layout.KUBERNETES_DIR, cniConfDir, cniBinDir, etcdDir, ...above];
  for (const path of shared) await removeIfEmpty(path);
}

/** The folder of this machine's store: its manifest's volume `etcd-data`, as kubeadm finds it. */
export async function etcdDataDir(
  note: (line: string) => void,
  manifest = layout.storeManifest(),
): Promise<string> {
  try {
    const { spec } = parse((await readIfPresent(manifest)) ?? "{}") as Partial<Pod>;
    const volume = spec?.volumes?.find(({ name }) => name === "etcd-data");
    return volume?.hostPath?.path ?? layout.ETCD_DATA_DIR;
  } catch (thrown) {
    const usual = layout.ETCD_DATA_DIR;
    note(`[reset] WARNING: a store outside ${usual} stays (${manifest}: ${messageOf(thrown)})`);
    return usual;
  }
}

/** The folders to remove of a data directory: the usual one, of another its member; none of etcd's. */
export function ownStore(dir: string, note: (line: string) => void): string[] {
  try {
    refuseForeign(dir);
    return dir === layout.ETCD_DATA_DIR ? [dir] : [join(dir, "member")];
  } catch (thrown) {
    note(`[reset] WARNING: the store stays: ${messageOf(thrown)}`);
    return [];
  }
}

/** Removes a folder; one that is a disk of its own is emptied, and stays, as kubeadm has it. */
export async function removeFolder(path: string): Promise<void> {
  if (!isMountPoint(path)) return removePath(path);
  using folder = Directory.open(path);
  for (const name of [...folder.names()]) await removeTree(folder, name);
}

/** Throws CommandError `OTHER_KUBELET` where the flags are those of another product. */
export function requireOwnMachine(flags: string | undefined): void {
  const own = layout.NODE_AGENT.criEndpoint;
  if (flags === undefined || flags.includes(own)) return;
  const text = `this machine's kubelet has another runtime: ${layout.KUBELET_FLAGS} does not name ${own}`;
  throw new CommandError("OTHER_KUBELET", text, {
    remedy: "kubeadm reset undoes what kubeadm did; r2k reset needs the R2K_RUN of init or join",
  });
}

/** The machine's own tables among those that nft lists. */
export const ownTables = (listed: string): string[][] =>
  [...listed.matchAll(/^table (\w+) (\S+)$/gm)]
    .map(([, ...table]) => table)
    .filter(([, name = ""]) => TABLES.includes(name));
