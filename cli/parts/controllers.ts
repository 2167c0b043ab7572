import { readFile } from "node:fs/promises";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { type ControllersOptions, startControllers } from "@raft2kube/controllers/main.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { overlaps } from "@raft2kube/std/ip.ts";
import { portNumber } from "../flag-numbers.ts";
import {
  commandWith,
  type FlagsOf,
  type FlagTable,
  only,
  required,
  trueUnlessFalse,
} from "../flags.ts";
import { duration_ms } from "./flag-duration.ts";
import { requireOneKubeconfig } from "./one-kubeconfig.ts";
import { runPart } from "./run-part.ts";

export const FLAGS = {
  "--kubeconfig <file>": required("how to reach the apiserver, and as whom"),
  "--authentication-kubeconfig <file>": "as whom tokens are reviewed: the same as --kubeconfig",
  "--authorization-kubeconfig <file>": "as whom access is reviewed: the same as --kubeconfig",
  "--cluster-name <name>": ["accepted: names objects of clouds, of which there are none", ""],
  "--requestheader-client-ca-file <file>":
    "accepted: users in headers of a front proxy are never believed",
  "--allocate-node-cidrs [boolean]": only("nodes always get a part of --cluster-cidr", "true"),
  "--service-cluster-ip-range <cidr>": "addresses of Services; not within --cluster-cidr",
  "--cluster-cidr <cidr>": ["range of pod addresses", "10.244.0.0/16"],
  "--node-cidr-mask-size <bits>": ["size of one node's part of it", "24"],
  "--root-ca-file <file>": required("CA that workloads verify the apiserver with"),
  "--cluster-signing-cert-file <file>": "CA that signs certificate requests",
  "--cluster-signing-key-file <file>": "its key",
  "--service-account-private-key-file <file>": "key that signs tokens in Secrets",
  "--leader-elect [boolean]": trueUnlessFalse("work only while holding the lease"),
  "--use-service-account-credentials [boolean]": trueUnlessFalse("one service account each"),
  "--controllers <names>": ["comma-separated: *, NAME, -NAME", "*"],
  "--node-monitor-grace-period <duration>": ["silence of a node that is lost", "50s"],
  "--legacy-service-account-token-clean-up-period <duration>": [
    "how long a generated token may be unused",
    "8760h",
  ],
  "--bind-address <address>": ["where to serve health and metrics", "127.0.0.1"],
  "--secure-port <port>": ["of health and metrics over HTTPS; 0 serves none", "10257"],
  "--tls-cert-file <file>": "certificate of that; made at the start without",
  "--tls-private-key-file <file>": "its key",
  "--client-ca-file <file>": "CA whose client certificates may ask; tokens always may",
  "--horizontal-pod-autoscaler-sync-period <duration>": ["how often autoscalers look", "15s"],
  "--horizontal-pod-autoscaler-downscale-stabilization <duration>": [
    "how long the highest recommendation holds",
    "5m",
  ],
  "--horizontal-pod-autoscaler-tolerance <share>": [
    "difference to the target that is ignored",
    "0.1",
  ],
  "--horizontal-pod-autoscaler-cpu-initialization-period <duration>": [
    "how long after a pod's start its CPU use may be that of its start",
    "5m",
  ],
  "--horizontal-pod-autoscaler-initial-readiness-delay <duration>": [
    "how long after a pod's start its readiness may be its first",
    "30s",
  ],
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

const AUTOSCALER = "horizontal-pod-autoscaler";

/** `r2k controllers`: the controllers alone, with kube-controller-manager's flags. */
export const command = () =>
  commandWith("controllers", "Run the controllers (kube-controller-manager).", FLAGS, (flags) =>
    runPart("controllers", () => start(flags)),
  );

/** Starts what parsed flags say. */
export const start = async (flags: Flags) => startControllers(await optionsOf(flags));

async function optionsOf(flags: Flags): Promise<ControllersOptions> {
  requireOneKubeconfig(flags);
  requireApart(flags);
  const options: ControllersOptions = {
    connection: await kubeConnection(flags.kubeconfig),
    clusterCidr: flags.clusterCidr,
    nodeCidrMask: Number(flags.nodeCidrMaskSize),
    rootCa: await readFile(flags.rootCaFile, "utf8"),
    leaderElect: flags.leaderElect === "true",
    useServiceAccountCredentials: flags.useServiceAccountCredentials === "true",
    controllers: flags.controllers.split(","),
    nodeMonitorGracePeriod_ms: duration_ms(flags, "nodeMonitorGracePeriod"),
    legacyTokenUnused_ms: duration_ms(flags, "legacyServiceAccountTokenCleanUpPeriod"),
    autoscalers: autoscalersOf(flags),
  };
  const serve = await serveOptions(flags);
  if (serve) options.serve = serve;
  if (flags.serviceAccountPrivateKeyFile !== undefined) {
    options.serviceAccountKey = await readFile(flags.serviceAccountPrivateKeyFile, "utf8");
  }
  const { clusterSigningCertFile: cert, clusterSigningKeyFile: key } = flags;
  if (cert !== undefined && key !== undefined) {
    options.clusterSigning = {
      cert: await readFile(cert, "utf8"),
      key: await readFile(key, "utf8"),
    };
  }
  return options;
}

/** Nodes' parts of a range that Services have too would give one address to both. */
function requireApart({ clusterCidr, serviceClusterIpRange: services }: Flags): void {
  if (services === undefined || !overlaps(clusterCidr, services)) return;
  const text = `--service-cluster-ip-range ${services} overlaps --cluster-cidr ${clusterCidr}`;
  throw new CodedError("BadFlag", text);
}

async function serveOptions(flags: Flags): Promise<ControllersOptions["serve"]> {
  const port = portNumber("--secure-port", flags.securePort);
  if (port === 0) return undefined;
  const { tlsCertFile, tlsPrivateKeyFile, clientCaFile, bindAddress: host } = flags;
  const read = (file: string) => readFile(file, "utf8");
  const tls =
    tlsCertFile !== undefined && tlsPrivateKeyFile !== undefined
      ? { cert: await read(tlsCertFile), key: await read(tlsPrivateKeyFile) }
      : undefined;
  return {
    host,
    port,
    tls,
    clientCa: clientCaFile === undefined ? undefined : await read(clientCaFile),
  };
}

function autoscalersOf(flags: Flags): NonNullable<ControllersOptions["autoscalers"]> {
  const tolerance = Number(flags.horizontalPodAutoscalerTolerance);
  if (!(tolerance >= 0)) {
    const value = flags.horizontalPodAutoscalerTolerance;
    throw new CodedError("BadFlag", `--${AUTOSCALER}-tolerance: "${value}" is not a share`);
  }
  const syncPeriod_ms = duration_ms(flags, "horizontalPodAutoscalerSyncPeriod");
  if (syncPeriod_ms === 0) {
    throw new CodedError("BadFlag", `--${AUTOSCALER}-sync-period: must be more than 0`);
  }
  return {
    syncPeriod_ms,
    tolerance,
    downscaleStabilization_ms: duration_ms(flags, "horizontalPodAutoscalerDownscaleStabilization"),
    cpuInitializationPeriod_ms: duration_ms(
      flags,
      "horizontalPodAutoscalerCpuInitializationPeriod",
    ),
    initialReadinessDelay_ms: duration_ms(flags, "horizontalPodAutoscalerInitialReadinessDelay"),
  };
}
