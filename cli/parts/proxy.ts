import { hostname } from "node:os";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { collectGarbage } from "@raft2kube/linux/process/collect-garbage.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { Announcer } from "@raft2kube/proxy/balance/announce.ts";
import { startBalance } from "@raft2kube/proxy/balance/main.ts";
import { COLLECTED_HEAP_BYTES_MAX } from "@raft2kube/proxy/limits.ts";
import { cleanup, startProxy } from "@raft2kube/proxy/main.ts";
import { MODE_NAMES } from "@raft2kube/proxy/mode-names.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { commandWith, type FlagsOf, type FlagTable } from "../flags.ts";
import { readProxyConfig } from "../machine/config/proxy-config.ts";
import { runWithClient } from "./run-part.ts";

const FLAGS = {
  "--config <file>": "a KubeProxyConfiguration; flags that are given come before it",
  "--kubeconfig <file>": "how to reach the apiserver, and as whom",
  "--hostname-override <name>": "the node's name, instead of this host's",
  "--cluster-cidr <range>": "the pods' range; others are masqueraded to Services",
  "--nodeport-addresses <ranges>": "comma-separated ranges that serve node ports",
  "--proxy-mode <mode>": { text: "kind of rules", choices: MODE_NAMES },
  "--ipvs-scheduler <name>": "IPVS: rr, wrr, lc, wlc, sh, dh, sed or nq (default rr)",
  "--ipvs-strict-arp": "IPVS: answer ARP for an address only where it is",
  "--announce-load-balancers <link>":
    "answer ARP for load balancers' addresses on this link: its name, or an address that it has",
  "--cleanup": "take the rules away and end",
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k proxy`: the service proxy alone, in the network namespace it is started in. */
export const command = () =>
  commandWith("proxy", "Run the service proxy (kube-proxy).", FLAGS, run);

async function run(given: Flags): Promise<void> {
  if (given.cleanup) return cleanup();
  const file = given.config === undefined ? {} : await readProxyConfig(given.config);
  await runWith({ ...file, ...given });
}

async function runWith(flags: Flags): Promise<void> {
  const { clusterCidr, proxyMode: mode, ipvsScheduler } = flags;
  const nodeName = flags.hostnameOverride ?? hostname().toLowerCase();
  await runWithClient(
    "proxy",
    flags.kubeconfig,
    async (client, clock) => {
      const nodePortAddresses = flags.nodeportAddresses?.split(",");
      // Else every node's kernel would answer for the addresses, which IPVS puts on a link.
      const strictArp = flags.announceLoadBalancers === undefined ? flags.ipvsStrictArp : true;
      const choices = given({ mode, ipvsScheduler, strictArp, clusterCidr, nodePortAddresses });
      const proxy = await startProxy({ client, nodeName, clock, ...choices });
      const balance = startAnnouncing(flags.announceLoadBalancers, { nodeName, client, clock });
      return {
        async close() {
          await balance?.close();
          await proxy.close();
        },
      };
    },
    // Connections of userspace mode would wait: those of a large heap are not held for it.
    mode === "userspace" ? undefined : () => collectGarbage(COLLECTED_HEAP_BYTES_MAX),
  );
}

/** Answers ARP on a link for the load balancers' addresses that are this node's to carry. */
function startAnnouncing(
  on: string | undefined,
  { nodeName, client, clock }: { nodeName: string; client: KubeClient; clock: Clock },
): { close(): Promise<void> } | undefined {
  if (on === undefined) return undefined;
  const log = logger("announce");
  const announcer = new Announcer({ on, clock, log });
  const balance = startBalance({
    client,
    clock,
    log,
    apply(carriers) {
      announcer.set(
        [...carriers].flatMap(([address, { name }]) => (name === nodeName ? address : [])),
      );
    },
  });
  return {
    async close() {
      await balance.close();
      announcer.close();
    },
  };
}
