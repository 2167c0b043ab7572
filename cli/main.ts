import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { Command } from "commander";
import { CommandError, reportFailure } from "./terminal.ts";
import { API_LEVEL, VERSION } from "./version.ts";

/** A command loads its own code, so that `r2k version` does not pay for `r2k start`. */
interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ command(): Command }>;
}

const COMMANDS: readonly Entry[] = [
  entry("start", "bring up a cluster, with a demo", () => import("./commands/start.ts")),
  entry("down", "remove the cluster from this host", () => import("./commands/down.ts")),
  entry("status", "what runs, and is it well", () => import("./commands/status.ts")),
  entry("doctor", "check this machine and the cluster", () => import("./commands/doctor.ts")),
  entry("logs", "the log of one component", () => import("./commands/logs.ts")),
  entry("node", "add, stop, start, remove nodes", () => import("./commands/node.ts")),
  entry("image", "load images; build the store's", () => import("./commands/image.ts")),
  entry("lab", "the numbered labs", () => import("./commands/lab.ts")),
  entry("shell", "a shell that is set up for the cluster", () => import("./commands/shell.ts")),
  entry("version", "versions of r2k and of its API", () => import("./commands/version.ts")),
];

const PARTS: readonly Entry[] = [
  entry(
    "control",
    "store, apiserver, controllers, scheduler",
    () => import("./process/control.ts"),
  ),
  entry(
    "node",
    "runtime, kubelet, proxy, dns, drivers",
    () => import("./process/node-or-guest.ts"),
  ),
  entry("node-join", "a node's certificates", () => import("./process/node-join.ts")),
  entry("store", "the etcd v3 store", () => import("./parts/store.ts")),
  entry("apiserver", "the API server", () => import("./parts/apiserver.ts")),
  entry("controllers", "the controllers", () => import("./parts/controllers.ts")),
  entry("scheduler", "the scheduler", () => import("./parts/scheduler.ts")),
  entry("kubelet", "the node agent", () => import("./parts/kubelet.ts")),
  entry("runtime", "the CRI runtime", () => import("./parts/runtime.ts")),
  entry("proxy", "the service proxy", () => import("./parts/proxy.ts")),
  entry("overlay", "routes between nodes' pods", () => import("./parts/overlay.ts")),
  entry("dns", "cluster DNS", () => import("./parts/dns.ts")),
  entry("cni", "one CNI plugin", () => import("./parts/cni.ts")),
  entry("csi-hostpath", "the CSI hostPath driver", () => import("./parts/csi-hostpath.ts")),
  entry("csi-nfs", "the CSI NFS driver", () => import("./parts/csi-nfs.ts")),
  entry("csi-provisioner", "the CSI provisioner", () => import("./parts/csi-provisioner.ts")),
  entry("csi-attacher", "the CSI attacher", () => import("./parts/csi-attacher.ts")),
  entry("by-hand", "the OCI runtime of our own", () => import("./parts/by-hand.ts")),
  entry("device-sample", "the sample device plugin", () => import("./parts/device-sample.ts")),
  entry("device-gpu", "the plugin of simulated GPUs", () => import("./parts/device-gpu.ts")),
];

function entry(name: string, summary: string, load: Entry["load"]): Entry {
  return { name, summary, load };
}

function program(): Command {
  const root = new Command("r2k")
    .description(`raft2kube ${VERSION}: a Kubernetes ${API_LEVEL} that can be taken apart`)
    .showHelpAfterError("(r2k --help lists the commands)")
    // A command's words are all its own, in their order: it may have commands and flags within.
    .enablePositionalOptions();
  const list = (entries: readonly Entry[]) =>
    entries.map((item) => `  ${item.name.padEnd(17)} ${item.summary}`).join("\n");
  root.addHelpText("after", `\nCommands:\n${list(COMMANDS)}\n\nOne part alone:\n${list(PARTS)}`);
  return root;
}

/** A member of the store as a process of a cluster; started by `r2k start`. */
function member(name = ""): Entry | undefined {
  const number = /^store-(\d)$/.exec(name)?.[1];
  if (number === undefined) return undefined;
  return entry(name, "one member of the store", async () => {
    const { command } = await import("./process/store-member.ts");
    return { command: () => command(`store-${Number(number)}`) };
  });
}

/**
 * Caches V8's compiled code beside the bundle, if that folder is writable: the next start is
 * quicker. Commands load their own code behind this.
 */
function keepCompiled(): void {
  const root = process.env["R2K_ROOT"];
  if (root !== undefined) enableCompileCache(join(root, ".cache/compile"));
}

async function main(args: readonly string[]): Promise<void> {
  keepCompiled();
  const root = program();
  // A process of a cluster is `control --config FILE` or `node --config FILE`.
  const entries = args[1] === "--config" ? PARTS : [...COMMANDS, ...PARTS];
  const found = entries.find((item) => item.name === args[0]) ?? member(args[0]);
  if (found) root.addCommand((await found.load()).command(), { hidden: true });
  else if (args[0] !== undefined && !args[0].startsWith("-") && args[0] !== "help") {
    throw new CommandError("NO_COMMAND", `there is no command "${args[0]}"`, {
      remedy: "r2k --help lists the commands",
    });
  }
  await root.parseAsync(args, { from: "user" });
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  process.exitCode = reportFailure(thrown);
});
