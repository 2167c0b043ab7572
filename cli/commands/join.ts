import type { Command } from "commander";
import { commandWith, type FlagsOf, type FlagTable, repeated } from "../flags.ts";
import { lockMachine } from "../locks/machine.ts";
import type { Fields } from "../machine/config/fields.ts";
import { readKubeadmConfig } from "../machine/config/kubeadm.ts";
import { joinMachine } from "../machine/join.ts";
import { checkPatches } from "../machine/patches.ts";
import { filledText } from "../machine/texts.ts";
import { CommandError } from "../terminal.ts";
import { MACHINE_FLAGS, machineContext } from "./machine-context.ts";

const FLAGS = {
  ...MACHINE_FLAGS,
  "--token <token>": "the token for discovery and for joining",
  "--discovery-token <token>": "that for discovery alone",
  "--tls-bootstrap-token <token>": "that for joining alone",
  "--discovery-token-ca-cert-hash <hash>": repeated("the hash of the cluster's CA: sha256:..."),
  "--discovery-token-unsafe-skip-ca-verification": "join whatever cluster the token has signed",
  "--discovery-file <kubeconfig>": "the cluster's server and CA, in place of a token's discovery",
  "--control-plane": "become a further control plane, with a member of the store",
  "--certificate-key <key>": "the key that init --upload-certs printed",
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k join HOST:PORT`: joins this machine to a cluster. */
export function command(): Command {
  return commandWith("join", "Join this machine to a cluster.", FLAGS)
    .argument("[host:port]", "an API server of the cluster")
    .action((endpoint: string | undefined, flags: Flags) => run(endpoint, flags));
}

async function run(endpoint: string | undefined, flags: Flags): Promise<void> {
  const config = await readKubeadmConfig(flags.config, {
    JoinConfiguration: joinOf(endpoint, flags),
  });
  await checkPatches(config.join.patches?.directory);
  const context = machineContext(config, flags, "join");
  using _lock = lockMachine();
  await joinMachine(context);
  const planes =
    "\nThis node has joined the cluster and a new control plane instance was created.\n";
  process.stdout.write(filledText("joined.txt", () => (config.join.controlPlane ? planes : "")));
}

/** The fields of a JoinConfiguration that flags give. */
function joinOf(apiServerEndpoint: string | undefined, flags: Flags): Fields {
  const { discoveryFile, certificateKey, controlPlane } = flags;
  const token = flags.discoveryToken ?? flags.token;
  if (token !== undefined && discoveryFile === undefined && apiServerEndpoint === undefined) {
    throw new CommandError("FLAG", "no API server is given", { remedy: "r2k join HOST:PORT ..." });
  }
  if (certificateKey !== undefined && !controlPlane) {
    const remedy = "give both, or none";
    throw new CommandError("FLAG", "--certificate-key is for --control-plane", { remedy });
  }
  const hashes = flags.discoveryTokenCaCertHash;
  const bootstrapToken = {
    ...{ token, apiServerEndpoint, caCertHashes: hashes.length > 0 ? hashes : undefined },
    unsafeSkipCAVerification: flags.discoveryTokenUnsafeSkipCaVerification,
  };
  return {
    discovery: {
      file: discoveryFile && { kubeConfigPath: discoveryFile },
      bootstrapToken: token && bootstrapToken,
      tlsBootstrapToken: flags.tlsBootstrapToken ?? flags.token,
    },
    controlPlane: controlPlane && { certificateKey },
    patches: flags.patches && { directory: flags.patches },
  };
}
