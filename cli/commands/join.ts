import { join } from "node:path";
import { given } from "@raft2kube/std/given.ts";
import type { Command } from "commander";
import { MACHINE_TEXTS_DIR } from "../assets.ts";
import { commandWith, type FlagsOf, type FlagTable, repeated } from "../flags.ts";
import { lockMachine } from "../locks/machine.ts";
import { type JoinSection, readKubeadmConfig } from "../machine/config/kubeadm.ts";
import { filledText } from "../machine/filled-text.ts";
import { joinMachine } from "../machine/join.ts";
import { checkPatches } from "../machine/patches.ts";
import { CommandError } from "../terminal.ts";
import { MACHINE_FLAGS, machineContext, patchesOf } from "./machine-context.ts";

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
  const read = await readKubeadmConfig(flags.config);
  const discovery = discoveryOf(endpoint, flags, read.join);
  const plane = controlPlaneOf(flags, read.join.controlPlane);
  const patches = patchesOf(flags) ?? read.join.patches;
  await checkPatches(patches?.directory);
  const joined = { ...read.join, discovery, ...given({ controlPlane: plane, patches }) };
  const config = { ...read, join: joined };
  const context = machineContext(config, flags, "join");
  using _lock = lockMachine();
  await joinMachine(context);
  const planes =
    "\nThis node has joined the cluster and a new control plane instance was created.\n";
  const path = join(MACHINE_TEXTS_DIR, "joined.txt");
  process.stdout.write(await filledText(path, () => (plane ? planes : "")));
}

function controlPlaneOf(
  { controlPlane, certificateKey }: Flags,
  inFile: JoinSection["controlPlane"],
): JoinSection["controlPlane"] {
  if (certificateKey !== undefined && !controlPlane && inFile === undefined) {
    const remedy = "give both, or none";
    throw new CommandError("FLAG", "--certificate-key is for --control-plane", { remedy });
  }
  if (!controlPlane && inFile === undefined) return undefined;
  return { ...inFile, ...given({ certificateKey }) };
}

function discoveryOf(
  endpoint: string | undefined,
  flags: Flags,
  { discovery }: JoinSection,
): typeof discovery {
  const token = flags.discoveryToken ?? flags.token;
  const own = given({ tlsBootstrapToken: flags.tlsBootstrapToken ?? flags.token });
  if (flags.discoveryFile !== undefined) {
    return { file: { kubeConfigPath: flags.discoveryFile }, ...own };
  }
  if (token === undefined) return { ...discovery, ...own };
  if (endpoint === undefined) {
    throw new CommandError("FLAG", "no API server is given", { remedy: "r2k join HOST:PORT ..." });
  }
  const unsafeSkipCAVerification = flags.discoveryTokenUnsafeSkipCaVerification ?? false;
  const caCertHashes = flags.discoveryTokenCaCertHash;
  return {
    bootstrapToken: { token, apiServerEndpoint: endpoint, caCertHashes, unsafeSkipCAVerification },
    ...own,
  };
}
