import { given } from "@raft2kube/std/given.ts";
import { Command } from "commander";
import { commandWith, type FlagsOf, type FlagTable } from "../flags.ts";
import { lockMachine } from "../locks/machine.ts";
import { type KubeadmConfig, readKubeadmConfig } from "../machine/config/kubeadm.ts";
import { dryRun, findPhase, INIT_PHASES, selectPhases } from "../machine/init.ts";
import { checkPatches } from "../machine/patches.ts";
import { newCertificateKey } from "../machine/shared-certificates.ts";
import { checkExtraArgs } from "../machine/static-pods.ts";
import { parseToken } from "../machine/tokens.ts";
import { CommandError } from "../terminal.ts";
import { machineContext } from "./machine-context.ts";

const FLAGS = {
  "--config <file>": "kubeadm's configuration, v1beta4",
  "--apiserver-advertise-address <ip>": "this machine's address; default: of its default route",
  "--apiserver-bind-port <port>": "the API server's port (default 6443)",
  "--apiserver-cert-extra-sans <names>": "further names and addresses of the API server",
  "--control-plane-endpoint <host:port>": "by which machines reach all API servers",
  "--image-repository <name>": "the images' registry",
  "--node-name <name>": "this machine's name in the cluster",
  "--pod-network-cidr <cidr>": "addresses of pods",
  "--service-cidr <cidr>": "addresses of Services",
  "--service-dns-domain <name>": "the cluster's domain",
  "--token <token>": "the token by which machines join",
  "--token-ttl <duration>": "how long it is valid; 0 for ever",
  "--patches <dir>": "a folder of patches: TARGET[SUFFIX][+TYPE].yaml",
  "--ignore-preflight-errors <names>": "checks whose failures are warnings; all for every one",
  "--upload-certs": "store what further control planes need, encrypted, for two hours",
  "--certificate-key <key>": "its key, 32 bytes in hexadecimal; default: a new one is printed",
  "--skip-phases <names>": "phases to leave out, comma-separated",
  "--dry-run": "print what would be done",
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k init`: makes this machine a control plane, in kubeadm's phases. */
export function command(): Command {
  const init = commandWith("init", "Make this machine the first control plane.", FLAGS, run);
  const phase = new Command("phase").description("Run one phase of init.");
  for (const { name, text } of INIT_PHASES) {
    phase.addCommand(commandWith(name, text, FLAGS, (given) => runPhase(name, given)));
  }
  return init.enablePositionalOptions().addCommand(phase);
}

/** The file's configuration, with what flags change. */
async function configOf(flags: Flags): Promise<KubeadmConfig> {
  const config = await readKubeadmConfig(flags.config);
  const { cluster } = config;
  const { imageRepository, controlPlaneEndpoint, token, tokenTtl: ttl } = flags;
  const networking = given({
    podSubnet: flags.podNetworkCidr,
    serviceSubnet: flags.serviceCidr,
    dnsDomain: flags.serviceDnsDomain,
  });
  const certSANs = flags.apiserverCertExtraSans?.split(",");
  if (token !== undefined) parseToken(token);
  const hasToken = token !== undefined || ttl !== undefined;
  // As kubeadm: a key in the file counts for --upload-certs alone.
  const { certificateKey: keyInFile, ...init } = config.init;
  return {
    ...config,
    cluster: {
      ...cluster,
      networking: { ...cluster.networking, ...networking },
      apiServer: { ...cluster.apiServer, ...given({ certSANs }) },
      ...given({ imageRepository, controlPlaneEndpoint }),
    },
    init: {
      ...init,
      ...given({
        bootstrapTokens: hasToken ? [given({ token, ttl })] : undefined,
        certificateKey: certificateKeyOf(flags, keyInFile),
        patches: flags.patches === undefined ? undefined : { directory: flags.patches },
      }),
    },
  };
}

function certificateKeyOf(
  { uploadCerts, certificateKey }: Flags,
  inFile: string | undefined,
): string | undefined {
  if (uploadCerts) return certificateKey ?? inFile ?? newCertificateKey();
  if (certificateKey === undefined) return undefined;
  throw new CommandError("FLAG", "--certificate-key is for --upload-certs", {
    remedy: "give both, or none",
  });
}

async function run(flags: Flags): Promise<void> {
  const config = await configOf(flags);
  checkExtraArgs(config.cluster);
  await checkPatches(config.init.patches?.directory);
  const skipped = [...(flags.skipPhases?.split(",") ?? []), ...config.init.skipPhases];
  const phases = selectPhases(skipped);
  const context = machineContext(config, flags, "init");
  if (flags.dryRun) return dryRun(context, phases);
  using _lock = lockMachine();
  context.progress.note(`[init] Using Kubernetes version: ${config.cluster.kubernetesVersion}`);
  for (const phase of phases) {
    context.signal.throwIfAborted();
    await phase.run(context);
  }
}

async function runPhase(name: string, flags: Flags): Promise<void> {
  const context = machineContext(await configOf(flags), flags, "init");
  const phase = findPhase(name);
  if (flags.dryRun) return dryRun(context, [phase]);
  using _lock = lockMachine();
  await phase.run(context);
}
