import { resolve } from "node:path";
import { parseDuration } from "@raft2kube/api/duration.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import { given } from "@raft2kube/std/given.ts";
import type { NewClusterChoices, OverlayBackend } from "../spec/config.ts";
import { NODES_MAX } from "../spec/nodes.ts";
import { STORE_MEMBERS_MAX } from "../spec/store.ts";
import { CommandError } from "../terminal.ts";
import { parsed, wholeNumber } from "./flag-numbers.ts";

const PORT_MAX = 65_535;
const SECONDS_MAX = 3_600;
/** The kubelet renews its Lease four times within the grace period. */
const GRACE_MS_MIN = 4_000;
const MASK_BITS_MIN = 16;
const MASK_BITS_MAX = 30;

export interface StartFlags {
  name: string;
  demo: boolean;
  foreground?: boolean;
  mergeKubeconfig?: boolean;
  etcdServers?: string;
  etcdCafile?: string;
  etcdCertfile?: string;
  etcdKeyfile?: string;
  storeMembers?: string;
  newStore?: boolean;
  apiPort?: string;
  cniBinDir?: string;
  proxyMode?: ModeName;
  byHand?: boolean;
  overlay?: OverlayBackend;
  nodeCidrMaskSize?: string;
  nodeMonitorGracePeriod?: string;
  nodes?: string;
  nfsDemo?: boolean;
  readyTimeout: string;
  output?: string;
}

/** Returns what the flags of a start choose; throws CommandError `BAD_FLAG` naming the flag. */
export function choicesOf(flags: StartFlags): NewClusterChoices {
  const { etcdServers, overlay } = flags;
  return given({
    etcdServers,
    etcdFiles: etcdFiles(flags),
    storeMembers: parsed(flags.storeMembers, (text) => memberCount(text, etcdServers)),
    apiPort: parsed(flags.apiPort, (text) => wholeNumber("--api-port", text, 1, PORT_MAX)),
    cniBinDir: parsed(flags.cniBinDir, (folder) => resolve(folder)),
    overlay,
    // At least a network of four addresses in a range of /16, as upstream's 2^16 parts allow.
    nodeCidrMaskSize: parsed(flags.nodeCidrMaskSize, (text) => {
      return wholeNumber("--node-cidr-mask-size", text, MASK_BITS_MIN, MASK_BITS_MAX);
    }),
    nodeMonitorGracePeriod_ms: parsed(flags.nodeMonitorGracePeriod, gracePeriod_ms),
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

/** Long enough for a kubelet to renew its Lease several times. */
function gracePeriod_ms(text: string): number {
  const parsed_ns = parseDuration(text);
  const value_ms = parsed_ns === undefined ? 0 : Number(parsed_ns / 1_000_000n);
  if (value_ms >= GRACE_MS_MIN) return value_ms;
  throw new CommandError("BAD_FLAG", `--node-monitor-grace-period ${text} is not usable`, {
    remedy: `a duration of at least ${GRACE_MS_MIN / 1000}s, such as 40s`,
  });
}

/** An even count tolerates no more failures than the odd one below it. */
function memberCount(text: string, etcdServers: string | undefined): number {
  if (etcdServers !== undefined) {
    throw new CommandError("BAD_FLAG", "--store-members is of no use with --etcd-servers", {
      remedy: "leave one of them out",
    });
  }
  const value = Number(text);
  if ([1, 3, STORE_MEMBERS_MAX].includes(value)) return value;
  throw new CommandError("BAD_FLAG", `--store-members ${text} is not usable`, {
    remedy: `1, 3 or ${STORE_MEMBERS_MAX}`,
  });
}
