import { CommandError } from "../../terminal.ts";

/** Minor versions that a kubelet may be behind the API server, as upstream's skew policy has it. */
export const KUBELET_SKEW_MAX = 3;

type Version = { readonly major: number; readonly minor: number; readonly patch: number };

const VERSION = /^v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/;

/** A version of Kubernetes, such as `v1.36.0` or `v1.36.0+r2k`. Throws CommandError `VERSION`. */
export function parseVersion(text: string): Version {
  const found = VERSION.exec(text);
  if (found === null) throw new CommandError("VERSION", `"${text}" is no version like v1.36.0`);
  const [major = 0, minor = 0, patch = 0] = found.slice(1).map(Number);
  return { major, minor, patch };
}

function compare(a: string, b: string): number {
  const [x, y] = [parseVersion(a), parseVersion(b)];
  return x.major - y.major || x.minor - y.minor || x.patch - y.patch;
}

/** Versions of a cluster's parts. */
export interface ClusterVersions {
  /** The version in `kubeadm-config`. */
  readonly cluster: string;
  /** The version that the API server reports. */
  readonly apiServer: string;
  readonly kubelets: ReadonlyMap<string, string>;
}

/** Returns what forbids an upgrade of the control plane to `target`, by kubeadm's rules. Pure. */
export function upgradeFaults(target: string, versions: ClusterVersions): string[] {
  const wanted = parseVersion(target);
  const newest = [versions.cluster, versions.apiServer].sort(compare).at(-1)!;
  const { major, minor } = parseVersion(newest);
  if (compare(target, newest) < 0) {
    return [`the cluster is ${newest}, newer than ${target}: an upgrade never goes back`];
  }
  const faults = [];
  if (wanted.major !== major || wanted.minor > minor + 1) {
    faults.push(
      `from ${newest} to ${target} is more than one minor version: upgrade to ` +
        `v${major}.${minor + 1} first`,
    );
  }
  for (const [node, version] of versions.kubelets) {
    if (!VERSION.test(version)) {
      faults.push(`the kubelet of ${node} reports no version; delete a Node whose machine is gone`);
      continue;
    }
    const kubelet = parseVersion(version);
    if (compare(version, target) > 0) {
      faults.push(`the kubelet of ${node} is ${version}, newer than ${target}`);
    } else if (kubelet.minor < wanted.minor - KUBELET_SKEW_MAX) {
      faults.push(
        `the kubelet of ${node} is ${version}; beside ${target} the oldest is ` +
          `v${wanted.major}.${wanted.minor - KUBELET_SKEW_MAX}`,
      );
    }
  }
  return faults;
}

/** Returns what forbids an upgrade of a further machine: it follows the control plane. */
export function nodeFaults(target: string, cluster: string): string[] {
  const order = compare(target, cluster);
  if (order === 0) return [];
  return [
    order > 0
      ? `the cluster is ${cluster}: r2k upgrade apply on a control plane machine comes first`
      : `the cluster is ${cluster}, newer than ${target}: an upgrade never goes back`,
  ];
}

/** Throws CommandError `UPGRADE` with each fault. */
export function requireNone(faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new CommandError("UPGRADE", `this upgrade is not possible: ${faults.join("; ")}`, {
    remedy: "use the r2k of a release that follows the cluster's; r2k upgrade plan shows both",
    exitCode: 2,
  });
}
