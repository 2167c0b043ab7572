import { given } from "@raft2kube/std/given.ts";
import { Command } from "commander";
import { commandWith, type FlagsOf, type FlagTable } from "../flags.ts";
import { lockMachine } from "../locks/machine.ts";
import { type KubeadmConfig, readKubeadmConfig } from "../machine/config/kubeadm.ts";
import type { Phase } from "../machine/context.ts";
import { dryRun, INIT_PHASES, runPhases, selectPhases } from "../machine/init.ts";
import { checkPatches } from "../machine/patches.ts";
import { newCertificateKey } from "../machine/shared-certificates.ts";
import { checkExtraArgs, staticPods } from "../machine/static-pods.ts";
import { parseToken } from "../machine/tokens.ts";
import { CommandError } from "../terminal.ts";
import { MACHINE_FLAGS, machineContext } from "./machine-context.ts";

const FLAGS = {
  ...MACHINE_FLAGS,
  "--apiserver-cert-extra-sans <names>": "further names and addresses of the API server",
  "--control-plane-endpoint <host:port>": "by which machines reach all API servers",
  "--image-repository <name>": "the images' registry",
  "--one-process": "run the control plane as one process: the feature gate OneProcessControlPlane",
  "--pod-network-cidr <cidr>": "addresses of pods",
  "--service-cidr <cidr>": "addresses of Services",
  "--service-dns-domain <name>": "the cluster's domain",
  "--token <token>": "the token by which machines join",
  "--token-ttl <duration>": "how long it is valid; 0 for ever",
  "--upload-certs": "store what further control planes need, encrypted, for two hours",
  "--certificate-key <key>": "its key, 32 bytes in hexadecimal; default: a new one is printed",
  "--skip-phases <names>": "phases to leave out, comma-separated",
  "--dry-run": "print what would be done",
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k init`: makes this machine a control plane, in kubeadm's phases. */
export function command(): Command {
  const text = "Make this machine the first control plane.";
  const init = commandWith("init", text, FLAGS, (flags) => run(flags));
  const phase = new Command("phase").description("Run one phase of init.");
  for (const each of INIT_PHASES) {
    phase.addCommand(commandWith(each.name, each.text, FLAGS, (flags) => run(flags, each)));
  }
  return init.enablePositionalOptions().addCommand(phase);
}

async function configOf(flags: Flags): Promise<KubeadmConfig> {
  const { imageRepository, controlPlaneEndpoint, certificateKey, token, tokenTtl: ttl } = flags;
  if (token !== undefined) parseToken(token);
  if (certificateKey !== undefined && !flags.uploadCerts) {
    const remedy = "give both, or none";
    throw new CommandError("FLAG", "--certificate-key is for --upload-certs", { remedy });
  }
  const hasToken = token !== undefined || ttl !== undefined;
  const config = await readKubeadmConfig(flags.config, {
    ClusterConfiguration: {
      imageRepository,
      controlPlaneEndpoint,
      featureGates: flags.oneProcess && { OneProcessControlPlane: true },
      networking: {
        podSubnet: flags.podNetworkCidr,
        serviceSubnet: flags.serviceCidr,
        dnsDomain: flags.serviceDnsDomain,
      },
      apiServer: { certSANs: flags.apiserverCertExtraSans?.split(",") },
    },
    InitConfiguration: {
      bootstrapTokens: hasToken ? [given({ token, ttl })] : undefined,
      patches: flags.patches && { directory: flags.patches },
      certificateKey,
    },
  });
  // As kubeadm: a key in the file counts for --upload-certs alone.
  const { certificateKey: key = newCertificateKey(), ...init } = config.init;
  return { ...config, init: flags.uploadCerts ? { ...init, certificateKey: key } : init };
}

/** Runs one phase, or all but those that are left out. */
async function run(flags: Flags, only?: Phase): Promise<void> {
  const config = await configOf(flags);
  const { cluster, init } = config;
  const skipped = [...(flags.skipPhases?.split(",") ?? []), ...init.skipPhases];
  const phases = only ? [only] : selectPhases(skipped);
  const context = machineContext(config, flags, "init");
  await checkPatches(init.patches?.directory, staticPods(cluster));
  if (!only) {
    checkExtraArgs(cluster);
    context.note(`[init] Using Kubernetes version: ${cluster.kubernetesVersion}`);
  }
  if (flags.dryRun) return dryRun(context, phases);
  using _lock = lockMachine();
  await runPhases(context, phases);
}
