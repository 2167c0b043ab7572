import { readFile } from "node:fs/promises";
import { parseDuration } from "@raft2kube/api/duration.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { type ControllersOptions, startControllers } from "@raft2kube/controllers/main.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { Command, Option } from "commander";
import { runPart } from "./run-part.ts";

interface Flags {
  kubeconfig: string;
  clusterCidr: string;
  nodeCidrMaskSize: string;
  rootCaFile: string;
  clusterSigningCertFile?: string;
  clusterSigningKeyFile?: string;
  serviceAccountPrivateKeyFile?: string;
  leaderElect: string;
  useServiceAccountCredentials: string;
  controllers: string;
  nodeMonitorGracePeriod: string;
  legacyServiceAccountTokenCleanUpPeriod: string;
  bindAddress: string;
  securePort: string;
  tlsCertFile?: string;
  tlsPrivateKeyFile?: string;
  clientCaFile?: string;
  horizontalPodAutoscalerSyncPeriod: string;
  horizontalPodAutoscalerDownscaleStabilization: string;
  horizontalPodAutoscalerTolerance: string;
  horizontalPodAutoscalerCpuInitializationPeriod: string;
  horizontalPodAutoscalerInitialReadinessDelay: string;
}

const AUTOSCALER = "horizontal-pod-autoscaler";

/** `r2k controllers`: the controllers alone, with kube-controller-manager's flags. */
export function command(): Command {
  const boolean = (flag: string, text: string) => {
    const option = new Option(`${flag} [boolean]`, text).choices(["true", "false"]);
    return option.preset("true").default("true");
  };
  return new Command("controllers")
    .description("Run the controllers (kube-controller-manager).")
    .requiredOption("--kubeconfig <file>", "how to reach the apiserver, and as whom")
    .option("--cluster-cidr <cidr>", "range of pod addresses", "10.244.0.0/16")
    .option("--node-cidr-mask-size <bits>", "size of one node's part of it", "24")
    .requiredOption("--root-ca-file <file>", "CA that workloads verify the apiserver with")
    .option("--cluster-signing-cert-file <file>", "CA that signs certificate requests")
    .option("--cluster-signing-key-file <file>", "its key")
    .option("--service-account-private-key-file <file>", "key that signs tokens in Secrets")
    .addOption(boolean("--leader-elect", "work only while holding the lease"))
    .addOption(boolean("--use-service-account-credentials", "one service account each"))
    .option("--controllers <names>", "comma-separated: *, NAME, -NAME", "*")
    .option("--node-monitor-grace-period <duration>", "silence of a node that is lost", "40s")
    .option("--legacy-service-account-token-clean-up-period <duration>",
      "how long a generated token may be unused", "8760h")
    .option("--bind-address <address>", "where to serve health and metrics", "127.0.0.1")
    .option("--secure-port <port>", "of health and metrics over HTTPS; 0 serves none", "10257")
    .option("--tls-cert-file <file>", "certificate of that; made at the start without")
    .option("--tls-private-key-file <file>", "its key")
    .option("--client-ca-file <file>", "CA whose client certificates may ask; tokens always may")
    .option(`--${AUTOSCALER}-sync-period <duration>`, "how often autoscalers look", "15s")
    .option(`--${AUTOSCALER}-downscale-stabilization <duration>`,
      "how long the highest recommendation holds", "5m")
    .option(`--${AUTOSCALER}-tolerance <share>`, "difference to the target that is ignored", "0.1")
    .option(`--${AUTOSCALER}-cpu-initialization-period <duration>`,
      "how long after a pod's start its CPU use may be that of its start", "5m")
    .option(`--${AUTOSCALER}-initial-readiness-delay <duration>`,
      "how long after a pod's start its readiness may be its first", "30s")
    .action(async (flags: Flags) => {
      const options = await optionsOf(flags);
      await runPart("controllers", () => startControllers(options));
    });
}

async function optionsOf(flags: Flags): Promise<ControllersOptions> {
  const unused = flags.legacyServiceAccountTokenCleanUpPeriod;
  const options: ControllersOptions = {
    connection: await kubeConnection(flags.kubeconfig),
    clusterCidr: flags.clusterCidr,
    nodeCidrMask: Number(flags.nodeCidrMaskSize),
    rootCa: await readFile(flags.rootCaFile, "utf8"),
    leaderElect: flags.leaderElect === "true",
    useServiceAccountCredentials: flags.useServiceAccountCredentials === "true",
    controllers: flags.controllers.split(","),
    nodeMonitorGracePeriod_ms:
      duration_ms("node-monitor-grace-period", flags.nodeMonitorGracePeriod),
    legacyTokenUnused_ms: duration_ms("legacy-service-account-token-clean-up-period", unused),
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

async function serveOptions(flags: Flags): Promise<ControllersOptions["serve"]> {
  const port = Number(flags.securePort);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new CodedError("BadFlag", `--secure-port: "${flags.securePort}" is no port`);
  }
  if (port === 0) return undefined;
  const { tlsCertFile, tlsPrivateKeyFile, clientCaFile, bindAddress: host } = flags;
  const read = (file: string) => readFile(file, "utf8");
  const tls = tlsCertFile !== undefined && tlsPrivateKeyFile !== undefined
    ? { cert: await read(tlsCertFile), key: await read(tlsPrivateKeyFile) } : undefined;
  return {
    host,
    port,
    tls,
    clientCa: clientCaFile === undefined ? undefined : await read(clientCaFile),
  };
}

function duration_ms(flag: string, value: string): number {
  const parsed_ns = parseDuration(value);
  if (parsed_ns !== undefined) return Number(parsed_ns / 1_000_000n);
  throw new CodedError("BadFlag", `--${flag}: "${value}" is not a duration`);
}

function autoscalersOf(flags: Flags): NonNullable<ControllersOptions["autoscalers"]> {
  const tolerance = Number(flags.horizontalPodAutoscalerTolerance);
  if (!(tolerance >= 0)) {
    const value = flags.horizontalPodAutoscalerTolerance;
    throw new CodedError("BadFlag", `--${AUTOSCALER}-tolerance: "${value}" is not a share`);
  }
  const syncPeriod_ms = duration_ms(`${AUTOSCALER}-sync-period`,
    flags.horizontalPodAutoscalerSyncPeriod);
  if (syncPeriod_ms === 0) {
    throw new CodedError("BadFlag", `--${AUTOSCALER}-sync-period: must be more than 0`);
  }
  return {
    syncPeriod_ms, tolerance,
    downscaleStabilization_ms: duration_ms(`${AUTOSCALER}-downscale-stabilization`,
      flags.horizontalPodAutoscalerDownscaleStabilization),
    cpuInitializationPeriod_ms: duration_ms(`${AUTOSCALER}-cpu-initialization-period`,
      flags.horizontalPodAutoscalerCpuInitializationPeriod),
    initialReadinessDelay_ms: duration_ms(`${AUTOSCALER}-initial-readiness-delay`,
      flags.horizontalPodAutoscalerInitialReadinessDelay),
  };
}
