import { isIP } from "node:net";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { startDns } from "@raft2kube/dns/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { CommandError } from "../terminal.ts";
import { runPart } from "./run-part.ts";

interface Flags {
  kubeconfig: string;
  address: string;
  port: string;
  clusterDomain: string;
  upstreams?: string;
  ttl?: string;
}

/** `r2k dns`: the cluster's DNS server alone. */
export function command(): Command {
  return new Command("dns")
    .description("Run the cluster's DNS server.")
    .requiredOption("--kubeconfig <file>", "how to reach the apiserver, and as whom")
    .requiredOption("--address <ip>", "listens here, UDP and TCP")
    .option("--port <number>", "", "53")
    .option("--cluster-domain <name>", "the domain of the cluster's names", "cluster.local")
    .option("--upstreams <addresses>", "comma-separated resolvers; default: of resolv.conf")
    .option("--ttl <seconds>", "how long answers about the cluster may be kept")
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { address, clusterDomain } = flags;
  const port = numberOf("--port", flags.port);
  const upstreams = flags.upstreams?.split(",").map((text) => {
    if (isIP(text) !== 0) return { address: text, port: 53 };
    throw new CommandError("FLAG", `--upstreams: not an IP address: ${text}`);
  });
  const clock = systemClock();
  const connection = await kubeConnection(flags.kubeconfig);
  const client = new KubeClient({ ...connection, clock, userAgent: "r2k-dns" });
  await runPart("dns", async () => {
    const dns = await startDns({
      client,
      address,
      port,
      clusterDomain,
      clock,
      ...(upstreams === undefined ? {} : { upstreams }),
      ...(flags.ttl === undefined ? {} : { ttl_s: numberOf("--ttl", flags.ttl) }),
    });
    return {
      async close() {
        await dns.close();
        client.close();
      },
    };
  });
}

function numberOf(flag: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new CommandError("FLAG", `${flag}: not a whole number: ${text}`);
}
