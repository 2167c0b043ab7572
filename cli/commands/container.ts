import { createHash } from "node:crypto";
import { join } from "node:path";
import { nodeInvoke } from "@raft2kube/cni/main.ts";
import { runContainerCommand } from "@raft2kube/container/command.ts";
import type { Host } from "@raft2kube/container/engine/host.ts";
import { applyInProcess } from "@raft2kube/linux/netfilter/nft-session.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { PLUGINS_DIR } from "../assets.ts";
import { cgroupModeHere } from "../preflight/cgroups.ts";
import { requireProgram } from "../preflight/programs.ts";
import { byHandCommand } from "../process/by-hand.ts";
import { checkClusterName, clusterRoots, readCluster } from "../spec/config.ts";
import { registriesOf } from "../spec/registries.ts";
import { CommandError } from "../terminal.ts";
import { VERSION } from "../version.ts";

const DEFAULT_CLUSTER = "default";

/** `r2k container WORDS`: the words that follow are docker's. */
export function command(): Command {
  return new Command("container")
    .description("Containers and images by hand, in docker's words.")
    .argument("[words...]")
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .option("--cluster <name>", "the cluster whose images it shares", DEFAULT_CLUSTER)
    .action((words: string[], { cluster }: { cluster: string }) =>
      runContainerCommand(words, () => hostOf(cluster)),
    );
}

/**
 * The images are those of the cluster's first node, whether it runs or not; registries are where
 * its flag `--registry` says, or `R2K_REGISTRY=docker.io=http://mirror:5000,...`.
 */
export async function hostOf(
  cluster: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Host> {
  if (process.getuid?.() !== 0) {
    const remedy = "sudo r2k container ..., or in a shell of `unshare -Urnm` (TROUBLESHOOTING.md)";
    throw new CommandError("NOT_ROOT", "r2k container needs root", { remedy });
  }
  applyInProcess(systemClock());
  const roots = clusterRoots(environment);
  const name = checkClusterName(cluster);
  const nodeRoot = join(roots.data, name, "runtime");
  // conmon passes no environment on to what it calls at an end.
  const folders = ["R2K_ROOT", "R2K_DATA", "R2K_RUN", "NODE_COMPILE_CACHE"].flatMap((key) => {
    const value = environment[key];
    return value === undefined ? [] : [`${key}=${value}`];
  });
  const node = [process.execPath, ...process.execArgv, process.argv[1]!];
  const self = [await requireProgram("env"), ...folders, ...node];
  const others = cluster === DEFAULT_CLUSTER ? [] : ["--cluster", cluster];
  return {
    root: join(roots.data, name, "hand"),
    state: join(roots.run, name, "hand"),
    imagesDir: join(nodeRoot, "images"),
    nodeRoot,
    cgroupParent: cgroupOf(roots.run, name),
    cgroups: await cgroupModeHere(),
    crun: await requireProgram("crun"),
    byHand: { command: byHandCommand(), isUsed: false },
    conmon: await requireProgram("conmon"),
    init: await requireProgram("catatonit"),
    cniBinDir: PLUGINS_DIR,
    cniInvoke: nodeInvoke(),
    self: [...self, "container", ...others],
    registries: {
      ...(await readCluster(name, roots))?.registries,
      ...registriesOf(
        "R2K_REGISTRY",
        environment["R2K_REGISTRY"]?.split(",").filter(Boolean) ?? [],
      ),
    },
    clock: systemClock(),
    version: VERSION,
  };
}

/** Groups are the machine's: those of other folders differ. */
function cgroupOf(run: string, name: string): string {
  const mark = createHash("sha256").update(`${run} ${name}`).digest("hex").slice(0, 8);
  return `/r2k/hand-${mark}`;
}
