import { CommandError } from "../../terminal.ts";

/** Minor versions that a kubelet may be behind the API server, as upstream's skew policy has it. */
export const KUBELET_SKEW_MAX = 3;

const VERSION = /^v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/;

/** A version of Kubernetes, such as `v1.36.0` or `v1.36.0+r2k`. Throws CommandError `VERSION`. */
export function parseVersion(text: string) {
  const found = VERSION.exec(text);
  if (found === null) throw new CommandError("VERSION", `"${text}" is no version like v1.36.0`);
  const [major = 0, minor = 0, patch = 0] = found.slice(1).map(Number);
  return { major, minor, patch };
}

/** Compares two versions without what follows the patch level: negative where `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [parseVersion(a), parseVersion(b)];
  return x.major - y.major || x.minor - y.minor || x.patch - y.patch;
}

/** The parts of a cluster, as far as an upgrade depends on them. */
export interface ClusterParts {
  /** The version in `kubeadm-config`. */
  readonly cluster: string;
  /** The version that the API server reports. */
  readonly apiServer: string;
  /** The versions of kubelets by their Nodes. */
  readonly kubelets: ReadonlyMap<string, string>;
  /** The control plane's Nodes that are not Ready. */
  readonly unready: readonly string[];
}

const goesBack = (cluster: string, target: string) =>
  `the cluster is ${cluster}, newer than ${target}: an upgrade never goes back`;

/** Returns what forbids an upgrade of the control plane to `target`, by kubeadm's rules. Pure. */
export function upgradeFaults(target: string, { cluster, apiServer, kubelets }: ClusterParts) {
  const newest = compareVersions(cluster, apiServer) > 0 ? cluster : apiServer;
  if (compareVersions(target, newest) < 0) return [goesBack(newest, target)];
  const { major, minor } = parseVersion(newest);
  const wanted = parseVersion(target);
  const isNext = wanted.major === major && wanted.minor <= minor + 1;
  const next = `upgrade to v${major}.${minor + 1} first`;
  const skipped = `from ${newest} to ${target} is more than one minor version: ${next}`;
  const ofKubelets = [...kubelets].map(([node, version]) => kubeletFault(target, node, version));
  return [isNext ? undefined : skipped, ...ofKubelets].filter((fault) => fault !== undefined);
}

function kubeletFault(target: string, node: string, version: string): string | undefined {
  const kubelet = `the kubelet of ${node}`;
  if (!VERSION.test(version)) {
    return `${kubelet} reports no version; delete a Node whose machine is gone`;
  }
  if (compareVersions(version, target) > 0) return `${kubelet} is ${version}, newer than ${target}`;
  const { major, minor } = parseVersion(target);
  const oldest = minor - KUBELET_SKEW_MAX;
  if (parseVersion(version).minor >= oldest) return undefined;
  return `${kubelet} is ${version}; beside ${target} the oldest is v${major}.${oldest}`;
}

/** Returns what forbids an upgrade of a further machine: it follows the control plane. */
export function nodeFaults(target: string, cluster: string): string[] {
  const order = compareVersions(target, cluster);
  if (order === 0) return [];
  if (order < 0) return [goesBack(cluster, target)];
  return [`the cluster is ${cluster}: r2k upgrade apply on a control plane machine comes first`];
}

/** Throws CommandError `UPGRADE` with each fault. */
export function requireNone(faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new CommandError("UPGRADE", `this upgrade is not possible: ${faults.join("; ")}`, {
    remedy: "use the r2k of a release that follows the cluster's; r2k upgrade plan shows both",
    exitCode: 2,
  });
}

/** Throws CommandError `UPGRADE` for what forbids an upgrade of the control plane to `target`. */
export function requireUpgradable(target: string, parts: ClusterParts): void {
  requireNone(upgradeFaults(target, parts));
  // An upgrade ends what runs for a moment: what is missing already would be missed for longer.
  if (parts.unready.length === 0) return;
  const text = `control plane nodes are not Ready: ${parts.unready.join(", ")}`;
  const remedy = "kubectl describe node; of a machine that is lost for good: kubectl delete node";
  throw new CommandError("UPGRADE", text, { remedy });
}
