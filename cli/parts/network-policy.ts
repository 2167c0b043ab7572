import { hostname } from "node:os";
import { cleanup, startNetworkPolicies } from "@raft2kube/network-policy/main.ts";
import { commandWith } from "../flags.ts";
import { runWithClient } from "./run-part.ts";

/** `r2k network-policy`: enforces NetworkPolicies in the network namespace it is started in. */
export const command = () =>
  commandWith(
    "network-policy",
    "Enforce NetworkPolicies for a node's pods.",
    {
      "--kubeconfig <file>": "how to reach the apiserver, and as whom",
      "--hostname-override <name>": ["the node's name", hostname().toLowerCase()],
      "--cleanup": "take the rules away and end",
    },
    async (flags) => {
      if (flags.cleanup) return cleanup();
      const { hostnameOverride: nodeName } = flags;
      await runWithClient("network-policy", flags.kubeconfig, async (client, clock) =>
        startNetworkPolicies({ client, nodeName, clock }),
      );
    },
  );
