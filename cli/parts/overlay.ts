import { isIPv4 } from "node:net";
import { hostname } from "node:os";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { cleanup, startOverlay } from "@raft2kube/cni/overlay/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { CommandError } from "../terminal.ts";
import { runPart } from "./run-part.ts";

interface Flags {
  kubeconfig?: string;
  hostnameOverride: string;
  netConfigPath: string;
  subnetFile: string;
  iface?: string;
  publicIp?: string;
  ipMasq?: boolean;
  cleanup?: boolean;
}

/** `r2k overlay`: routes between nodes' pods, in the network namespace it is started in. */
export function command(): Command {
  return new Command("overlay")
    .description("Run the overlay between nodes (flannel's role).")
    .option("--kubeconfig <file>", "how to reach the apiserver, and as whom")
    .option("--hostname-override <name>", "the node's name", hostname().toLowerCase())
    .option("--net-config-path <file>", "network and back end", "/etc/kube-flannel/net-conf.json")
    .option(
      "--subnet-file <file>",
      "written for the CNI plugin flannel; flanneld's is /run/flannel/subnet.env",
      "/run/r2k/overlay/subnet.env",
    )
    .option("--iface <name>", "link to the other nodes; default: that of the default route")
    .option("--public-ip <address>", "this node's address for the others; default: the link's")
    .option("--ip-masq", "masquerade what pods send to other networks")
    .option("--cleanup", "take links, routes and rules away and end")
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { kubeconfig, subnetFile, publicIp, iface, ipMasq = false } = flags;
  if (flags.cleanup) return cleanup({ subnetFile });
  if (kubeconfig === undefined) {
    throw new CommandError("FLAG", "--kubeconfig is required", { remedy: "r2k overlay --help" });
  }
  if (publicIp !== undefined && !isIPv4(publicIp)) {
    throw new CommandError("FLAG", `--public-ip: not an IPv4 address: ${publicIp}`);
  }
  const clock = systemClock();
  const connection = await kubeConnection(kubeconfig);
  const client = new KubeClient({ ...connection, clock, userAgent: "r2k-overlay" });
  await runPart("overlay", async () => {
    const overlay = await startOverlay({
      client,
      nodeName: flags.hostnameOverride,
      netConf: { file: flags.netConfigPath },
      subnetFile,
      iface,
      publicIp,
      ipMasq,
      clock,
    });
    return {
      async close() {
        await overlay.close();
        client.close();
      },
    };
  });
}
