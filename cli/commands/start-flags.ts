import { resolve } from "node:path";
import { parseDuration } from "@raft2kube/api/duration.ts";
import { MODE_NAMES } from "@raft2kube/proxy/mode-names.ts";
import { checkTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import { given } from "@raft2kube/std/given.ts";
import { parsed, portNumber, wholeNumber } from "../flag-numbers.ts";
import { type FlagsOf, type FlagTable, repeated } from "../flags.ts";
import { type NewClusterChoices, OVERLAY_BACKENDS } from "../spec/config.ts";
import { CONTROL_PLANES_MAX } from "../spec/control-planes.ts";
import { NODES_MAX } from "../spec/nodes.ts";
import { registriesOf } from "../spec/registries.ts";
import { STORE_MEMBERS_MAX } from "../spec/store.ts";
import { CommandError } from "../terminal.ts";

const SECONDS_MAX = 3_600;
/** The kubelet renews its Lease four times within the grace period. */
const GRACE_MS_MIN = 4_000;
const MASK_BITS_MIN = 16;
const MASK_BITS_MAX = 30;

/** The flags of `r2k start`. Of those that say "new", the value of an existing cluster stays. */
export const START_FLAGS = {
  "--name <name>": ["the cluster's name; several can run side by side", "default"],
  "--no-demo": "do not deploy examples/web.yaml",
  "--foreground": "stay; Ctrl-C then takes the cluster down",
  "--merge-kubeconfig": "add the cluster to ~/.kube/config",
  "--etcd-servers <urls>": "use this etcd instead of the own store (new clusters)",
  "--etcd-cafile <file>": "the CA of that etcd's certificate, PEM",
  "--etcd-certfile <file>": "client certificate for that etcd, PEM",
  "--etcd-keyfile <file>": "its key, PEM",
  "--store-members <count>": "processes of the own store: 1, 3 or 5 (new clusters)",
  "--control-planes <count>": "machines with a control plane each: 1, 3 or 5 (new clusters)",
  "--new-store": "begin with an empty store in the place of one that was lost",
  "--api-port <port>": "the API's port (new or stopped clusters; default 6443)",
  "--cni-bin-dir <dir>": "use these CNI plugins instead of ours (new clusters)",
  "--proxy-mode <mode>": {
    text: "kind of Service rules (also of a running cluster)",
    choices: MODE_NAMES,
  },
  "--by-hand": "let pods choose our OCI runtime for learning (new or stopped clusters)",
  "--no-by-hand": "no longer let them",
  "--overlay <backend>": {
    text: "how nodes reach others' pods (new clusters)",
    choices: OVERLAY_BACKENDS,
  },
  "--node-cidr-mask-size <bits>": "a node's part of the pod range (new; default 24)",
  "--node-monitor-grace-period <duration>": "silence of a node that is lost (50s)",
  "--audit-policy-file <file>": "write an audit log by this policy (new or stopped clusters)",
  "--runtime-config <switches>": "versions served: batch/v1=false,... (new or stopped clusters)",
  "--registry <domain=url>": repeated("where a registry is: docker.io=http://mirror:5000"),
  "--traces": "trace every request, for the dashboard (new or stopped clusters)",
  "--no-traces": "no longer trace",
  "--traces-to <address>": "trace every request, to a receiver of OTLP over gRPC",
  "--nodes <count>": "have at least so many nodes: node-2, node-3, ... join",
  "--nfs-demo": "have an NFS server, and nodes that mount it (new or stopped clusters)",
  "--ingress": "bring the ingress controller (also of a running cluster)",
  "--gateway": "the same, with the Gateway API and its CRDs",
  "--dashboard": "bring the dashboard into the cluster (also of a running cluster)",
  "--ready-timeout <seconds>": ["how long a node may take to be Ready", "30"],
  "-o, --output <format>": "json: print one JSON object at the end",
} as const satisfies FlagTable;

export type StartFlags = FlagsOf<typeof START_FLAGS>;

/** Returns what the flags choose; throws CommandError `BAD_FLAG` naming the flag, or CodedError. */
export function choicesOf(flags: StartFlags): NewClusterChoices {
  const { etcdServers, overlay } = flags;
  return given({
    etcdServers,
    etcdFiles: etcdFiles(flags),
    storeMembers: parsed(flags.storeMembers, (text) => memberCount(text, etcdServers)),
    controlPlanes: parsed(flags.controlPlanes, (text) => controlPlaneCount(text, flags)),
    apiPort: parsed(flags.apiPort, (text) => portNumber("--api-port", text, 1)),
    cniBinDir: parsed(flags.cniBinDir, (folder) => resolve(folder)),
    overlay,
    // At least a network of four addresses in a range of /16, as upstream's 2^16 parts allow.
    nodeCidrMaskSize: parsed(flags.nodeCidrMaskSize, (text) => {
      return wholeNumber("--node-cidr-mask-size", text, MASK_BITS_MIN, MASK_BITS_MAX);
    }),
    nodeMonitorGracePeriod_ms: parsed(flags.nodeMonitorGracePeriod, gracePeriod_ms),
    auditPolicyFile: parsed(flags.auditPolicyFile, (file) => resolve(file)),
    runtimeConfig: flags.runtimeConfig,
    registries: flags.registry.length > 0 ? registriesOf("--registry", flags.registry) : undefined,
    traces: tracesOf(flags),
  });
}

/** How many nodes the cluster is to have at least, the first included. */
export function nodeCount({ nodes }: StartFlags): number {
  return parsed(nodes, (text) => wholeNumber("--nodes", text, 1, NODES_MAX)) ?? 1;
}

export function readyTimeout_ms({ readyTimeout }: StartFlags): number {
  return wholeNumber("--ready-timeout", readyTimeout, 1, SECONDS_MAX) * 1000;
}

/** The processes of a cluster have another working directory than this command. */
function etcdFiles(flags: StartFlags) {
  const { etcdServers, etcdCafile: ca, etcdCertfile: cert, etcdKeyfile: key } = flags;
  const files = {
    ...(ca && { ca: resolve(ca) }),
    ...(cert && { cert: resolve(cert) }),
    ...(key && { key: resolve(key) }),
  };
  if (Object.keys(files).length === 0) return undefined;
  if (etcdServers !== undefined) return files;
  throw new CommandError("BAD_FLAG", "--etcd-cafile and the like are of no use alone", {
    remedy: "name the etcd too: --etcd-servers URL",
  });
}

/** Returns where traces go; false: nowhere any longer, undefined: no flag says. Throws CodedError. */
function tracesOf({ traces, tracesTo: endpoint }: StartFlags): NewClusterChoices["traces"] {
  if (endpoint === undefined) return traces === true ? {} : traces;
  checkTracing({ endpoint });
  return { endpoint };
}

/** Long enough for a kubelet to renew its Lease several times. */
function gracePeriod_ms(text: string): number {
  const parsed_ns = parseDuration(text);
  const value_ms = parsed_ns === undefined ? 0 : Number(parsed_ns / 1_000_000n);
  if (value_ms >= GRACE_MS_MIN) return value_ms;
  throw new CommandError("BAD_FLAG", `--node-monitor-grace-period ${text} is not usable`, {
    remedy: `a duration of at least ${GRACE_MS_MIN / 1000}s, such as 40s`,
  });
}

function memberCount(text: string, etcdServers: string | undefined): number {
  if (etcdServers !== undefined) {
    throw new CommandError("BAD_FLAG", "--store-members is of no use with --etcd-servers", {
      remedy: "leave one of them out",
    });
  }
  return oddCount("--store-members", text, STORE_MEMBERS_MAX);
}

function controlPlaneCount(text: string, { etcdServers, storeMembers }: StartFlags): number {
  if (etcdServers !== undefined || storeMembers !== undefined) {
    const others = "--etcd-servers or --store-members";
    throw new CommandError("BAD_FLAG", `--control-planes is of no use with ${others}`, {
      remedy: "leave those out: each control plane has a member of the store",
    });
  }
  return oddCount("--control-planes", text, CONTROL_PLANES_MAX);
}

/** An even count tolerates no more failures than the odd one below it. */
function oddCount(flag: string, text: string, most: number): number {
  const value = Number(text);
  if ([1, 3, most].includes(value)) return value;
  throw new CommandError("BAD_FLAG", `${flag} ${text} is not usable`, {
    remedy: `1, 3 or ${most}`,
  });
}
