/**
 * Lists the packages that each package may import (DESIGN, "Imports point one way"). Nothing
 * imports cli, test, bench, labs or dashboard; only cli puts parts together.
 */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  std: [],
  proto: ["std"],
  observe: ["std"],
  linux: ["std"],
  pki: ["std"],
  streaming: ["std"],
  h2: ["std"],
  bbolt: ["std", "linux"],
  rpc: ["std", "proto", "observe", "h2", "streaming", "reconcile"],
  reconcile: ["std", "observe"],
  cel: ["std"],
  api: ["std", "proto", "cel"],
  openapi: ["std", "api"],
  apimachinery: ["std", "observe", "api"],
  "pod-security": ["api", "apimachinery"],
  apiextensions: ["std", "cel", "api", "apimachinery"],
  encryption: ["std", "proto", "observe", "rpc", "reconcile", "api", "apimachinery"],
  fairness: ["std", "api"],
  "client-etcd": ["std", "proto", "rpc", "reconcile"],
  "client-kube": ["std", "proto", "observe", "reconcile", "pki", "streaming", "api"],
  store: ["std", "proto", "rpc", "observe", "reconcile", "linux", "bbolt", "client-etcd"],
  apiserver: [
    "std",
    "proto",
    "rpc",
    "observe",
    "reconcile",
    "linux",
    "pki",
    "streaming",
    "cel",
    "api",
    "openapi",
    "apimachinery",
    "pod-security",
    "apiextensions",
    "encryption",
    "fairness",
    "client-etcd",
    "client-kube",
  ],
  scheduler: ["std", "observe", "reconcile", "api", "client-kube"],
  controllers: ["std", "observe", "reconcile", "pki", "api", "client-kube"],
  explain: ["std", "observe", "api", "client-kube"],
  dashboard: ["std", "observe", "reconcile", "api", "client-kube", "explain", "streaming"],
  dns: ["std", "observe", "linux", "api", "client-kube"],
  kubelet: [
    "std",
    "proto",
    "rpc",
    "observe",
    "reconcile",
    "linux",
    "pki",
    "streaming",
    "api",
    "client-kube",
  ],
  runtime: ["std", "proto", "rpc", "observe", "reconcile", "linux", "streaming", "cni"],
  container: ["std", "proto", "observe", "linux", "reconcile", "streaming", "runtime", "cni"],
  proxy: ["std", "observe", "reconcile", "linux", "streaming", "api", "client-kube"],
  ingress: ["std", "observe", "reconcile", "pki", "api", "client-kube"],
  cni: ["std", "observe", "linux"],
  overlay: ["std", "observe", "reconcile", "linux", "api", "client-kube", "cni"],
  "network-policy": ["std", "observe", "reconcile", "linux", "api", "client-kube"],
  csi: ["std", "proto", "rpc", "observe", "reconcile", "linux", "api", "client-kube"],
  device: ["std", "proto", "rpc", "observe", "reconcile"],
  // Kits that tests, labs and the simulator share; nothing that is shipped imports them.
  testing: [
    "std",
    "proto",
    "rpc",
    "h2",
    "linux",
    "pki",
    "api",
    "client-etcd",
    "client-kube",
    "store",
    "apiserver",
    "csi",
    "proxy",
  ],
};

/**
 * The layers of a package, lowest first: a file imports of its own layer and of those before it.
 * Each names folders (with `/`) and files of the package; the longest that fits decides.
 */
export type Layers = readonly (readonly string[])[];

/** Packages, by their folder, that state the order of their folders; more may follow. */
export const LAYERS: Readonly<Record<string, Layers>> = {
  "base/linux": [
    ["syscall/"],
    ["beneath/", "file/", "namespace/", "proc/", "socket/"],
    ["mount/", "netlink/", "process/"],
    ["cgroup/", "netfilter/"],
  ],
  store: [
    ["limits.ts", "version.ts", "structures/"],
    ["core/", "backend/"],
    ["wal/"],
    ["metrics/", "auth/", "transport/"],
    ["mvcc/records/", "mvcc/index/"],
    ["mvcc/state/"],
    ["mvcc/kv/"],
    ["mvcc/apply/"],
    ["mvcc/persist/", "mvcc/watch/"],
    ["bbolt/", "snapshot/"],
    ["node/"],
    ["etcd/request/"],
    ["etcd/kv/", "etcd/lease/", "etcd/cluster/", "etcd/maintenance/", "etcd/auth/", "etcd/watch/"],
    ["scrub/", "etcd/concurrency/"],
    ["etcd/http/", "etcd/serve/", "gateway/"],
    ["embedded.ts", "options.ts"],
    ["machine.ts", "listen.ts", "import.ts", "inspect.ts"],
    ["main.ts", "npm.ts"],
  ],
  "client/kube": [
    ["limits.ts", "errors.ts", "object/"],
    ["transport/"],
    ["rest/"],
    ["informer/", "events/", "delegated/", "leader-election.ts", "workers.ts"],
    ["serving/"],
  ],
  apiserver: [
    ["limits.ts", "periodic.ts", "object/"],
    ["metrics/"],
    ["storage/"],
    ["cache/"],
    ["resource/"],
    ["request/", "encoding/"],
    ["authn/", "authz/", "webhook/"],
    ["audit/"],
    ["admission/"],
    ["options.ts", "registry/"],
    ["customresources/"],
    ["handlers/", "bootstrap/"],
    ["aggregation/"],
    ["offload/"],
    ["http/"],
    ["assemble.ts", "main.ts", "offload/thread.ts"],
  ],
  cli: [
    ["terminal.ts", "version.ts", "assets.ts", "flags.ts"],
    ["flag-numbers.ts", "refused-peers.ts", "file-errors.ts", "give-back.ts"],
    ["spec/", "store/"],
    ["pki/"],
    ["machine/layout.ts", "machine/release-images.ts", "machine/texts.ts"],
    ["machine/config/", "machine/kubelet-client.ts", "machine/kubelet-serving.ts"],
    ["observe/"],
    ["supervisor/"],
    ["preflight/"],
    ["plan/"],
    ["apply/"],
    ["guest/", "locks/"],
    ["converge.ts", "process/"],
    ["parts/", "backup/"],
    ["machine/"],
    ["commands/", "doctor/"],
    [
      "command-table.ts",
      "container.ts",
      "dashboard.ts",
      "etcd.ts",
      "main.ts",
      "ingress.ts",
      "port-proxy.ts",
    ],
  ],
  labs: [
    ["judge.ts", "check.ts", "clauses.ts", "walk.ts", "must.ts", "quiet.ts", "idle-clock.ts"],
    ["runner/", "raft/"],
    ["csi-sanity.ts", "csi-driver.ts", "csi-rules.ts", "rpc-calls.ts"],
    ["replay/"],
    ["site/"],
    ["13-", "proxy/"],
    ["02-", "03-", "04-", "05-", "06-", "08-", "09-", "11-", "12-", "14a-", "14b-", "14c-", "15-"],
    ["21-"],
    ["16-", "17-"],
    ["apiserver/"],
    ["07a-", "07b-", "07c-", "finish/"],
    ["01-", "01b-", "10-", "18-"],
  ],
  kubelet: [
    ["limits.ts", "options.ts", "pods/", "plugins/", "bootstrap/"],
    ["cri/", "devices/", "logs/"],
    ["images/", "probes/", "node/"],
    ["volumes/"],
    ["containers/"],
    ["allocation/"],
    ["sandbox/"],
    ["status/"],
    ["api/", "sync/"],
    ["eviction/"],
    ["admission/", "housekeeping/", "server/"],
    ["assembly/"],
    ["flags.ts", "main.ts"],
  ],
  runtime: [
    ["limits.ts", "errors.ts", "time.ts"],
    ["paths.ts", "state-file.ts", "process-identity.ts", "command.ts", "events.ts"],
    ["record-table.ts", "image/", "oci/"],
    ["by-hand/", "pod-group.ts"],
    ["sandbox/pinned-namespaces.ts"],
    ["container/record.ts", "sandbox/record.ts", "sandbox/files.ts", "sandbox/network.ts"],
    ["sandbox/time-namespace.ts"],
    ["container/disk-usage.ts", "container/exec-counts.ts", "container/exec-output.ts"],
    ["container/monitor.ts", "conmon.ts", "streaming/server.ts"],
    ["other-records.ts", "ports.ts"],
    ["container/"],
    ["sandbox/", "streaming/"],
    ["cri/", "reconcile.ts", "repair.ts"],
    ["open.ts"],
    ["build/", "main.ts"],
  ],
  csi: [["lib/"], ["drivers/", "sidecars/"]],
  cni: [
    ["limits.ts", "lib/"],
    ["plugins/", "node/"],
    ["build.ts", "main.ts"],
  ],
};

/** Packages that may import everything: where parts are put together, tested and measured. */
export const TOPS: readonly string[] = ["cli", "test", "bench", "labs", "scripts"];

/** The imports that are allowed among those. */
export const TOP_ARROWS: Readonly<Record<string, readonly string[]>> = {
  labs: [],
  cli: ["labs"],
  test: ["cli", "labs"],
  bench: ["test", "labs"],
  scripts: ["labs", "test"],
};

/** The package of a path: `base/std/assert.ts` is in `std`, `client/etcd/x.ts` in `client-etcd`. */
export function packageOf(path: string): string {
  const [first = "", second = ""] = path.split("/");
  if (first === "base") return second;
  return first === "client" ? `client-${second}` : first;
}

/** Package names that a source imports, type-only imports included. */
export function importedPackages(text: string): string[] {
  const found = text.matchAll(/(?:from\s+|import\s*\(?\s*)"@raft2kube\/([a-z-]+)\//g);
  return [...new Set([...found].map((match) => match[1]!))];
}
