import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { cleanup, startProxy } from "@raft2kube/proxy/main.ts";
import { AliveBytes, collectGarbage } from "@raft2kube/linux/process/collect-garbage.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command, Option } from "commander";
import { hostname } from "node:os";
import { startGivingBack } from "../process/give-back.ts";
import { CommandError } from "../terminal.ts";
import { runPart } from "./run-part.ts";

interface Flags {
  kubeconfig?: string;
  hostnameOverride: string;
  clusterCidr?: string;
  nodeportAddresses?: string;
  proxyMode?: ModeName;
  ipvsScheduler?: string;
  ipvsStrictArp?: boolean;
  cleanup?: boolean;
}

/** `r2k proxy`: the service proxy alone, in the network namespace it is started in. */
export function command(): Command {
  return new Command("proxy")
    .description("Run the service proxy (kube-proxy).")
    .option("--kubeconfig <file>", "how to reach the apiserver, and as whom")
    .option("--hostname-override <name>", "the node's name", hostname().toLowerCase())
    .option("--cluster-cidr <range>", "the pods' range; others are masqueraded to Services")
    .option("--nodeport-addresses <ranges>", "comma-separated ranges that serve node ports")
    .addOption(new Option("--proxy-mode <mode>", "kind of rules").choices(MODE_NAMES))
    .option("--ipvs-scheduler <name>", "IPVS: rr, wrr, lc, wlc, sh, dh, sed or nq (default rr)")
    .option("--ipvs-strict-arp", "IPVS: answer ARP for an address only where it is")
    .option("--cleanup", "take the rules away and end")
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  if (flags.cleanup) return cleanup();
  const { kubeconfig, clusterCidr, hostnameOverride: nodeName, proxyMode: mode } = flags;
  if (kubeconfig === undefined) {
    throw new CommandError("FLAG", "--kubeconfig is required", { remedy: "r2k proxy --help" });
  }
  const clock = systemClock();
  const connection = await kubeConnection(kubeconfig);
  const client = new KubeClient({ ...connection, clock, userAgent: "r2k-proxy" });
  const nodePortAddresses = flags.nodeportAddresses?.split(",");
  // Connections of userspace mode wait for a collection: garbage counts as alive there.
  const alive = mode === "userspace" ? undefined : new AliveBytes();
  await runPart("proxy", async () => {
    const proxy = await startProxy({
      client,
      nodeName,
      clock,
      ...(mode === undefined ? {} : { mode }),
      ...(flags.ipvsScheduler === undefined ? {} : { ipvsScheduler: flags.ipvsScheduler }),
      ...(flags.ipvsStrictArp ? { strictArp: true } : {}),
      ...(clusterCidr === undefined ? {} : { clusterCidr }),
      ...(nodePortAddresses === undefined ? {} : { nodePortAddresses }),
    });
    const givingBack = startGivingBack(clock, () => collectGarbage(alive?.now()));
    return {
      async close() {
        alive?.[Symbol.dispose]();
        await givingBack.close();
        await proxy.close();
        client.close();
      },
    };
  });
}
