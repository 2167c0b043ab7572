import { isIP } from "node:net";
import { startDns } from "@raft2kube/dns/main.ts";
import { given } from "@raft2kube/std/given.ts";
import { parsed, portNumber, wholeNumber } from "../flag-numbers.ts";
import { commandWith, required } from "../flags.ts";
import { CommandError } from "../terminal.ts";
import { runWithClient } from "./run-part.ts";

/** `r2k dns`: the cluster's DNS server alone. */
export const command = () =>
  commandWith(
    "dns",
    "Run the cluster's DNS server.",
    {
      "--kubeconfig <file>": required("how to reach the apiserver, and as whom"),
      "--address <ip>": required("listens here, UDP and TCP"),
      "--port <number>": ["", "53"],
      "--cluster-domain <name>": ["the domain of the cluster's names", "cluster.local"],
      "--upstreams <addresses>": "comma-separated resolvers; default: of resolv.conf",
      "--ttl <seconds>": "how long answers about the cluster may be kept",
    },
    async (flags) => {
      const { address, clusterDomain, ttl } = flags;
      const port = portNumber("--port", flags.port);
      const ttl_s = parsed(ttl, (text) => wholeNumber("--ttl", text, 0, 999_999));
      const upstreams = flags.upstreams?.split(",").map((text) => {
        if (isIP(text) !== 0) return { address: text, port: 53 };
        throw new CommandError("FLAG", `--upstreams: not an IP address: ${text}`);
      });
      const choices = given({ upstreams: upstreams && (() => upstreams), ttl_s });
      await runWithClient("dns", flags.kubeconfig, (client, clock) =>
        startDns({ client, address, port, clusterDomain, clock, ...choices }),
      );
    },
  );
