import { isIPv4 } from "node:net";
import { hostname } from "node:os";
import { cleanup, startOverlay } from "@raft2kube/overlay/main.ts";
import { commandWith } from "../flags.ts";
import { CommandError } from "../terminal.ts";
import { runWithClient } from "./run-part.ts";

/** `r2k overlay`: routes between nodes' pods, in the network namespace it is started in. */
export const command = () =>
  commandWith(
    "overlay",
    "Run the overlay between nodes (flannel's role).",
    {
      "--kubeconfig <file>": "how to reach the apiserver, and as whom",
      "--hostname-override <name>": ["the node's name", hostname().toLowerCase()],
      "--net-config-path <file>": ["network and back end", "/etc/kube-flannel/net-conf.json"],
      "--subnet-file <file>": [
        "written for the CNI plugin flannel; flanneld's is /run/flannel/subnet.env",
        "/run/r2k/overlay/subnet.env",
      ],
      "--iface <name>": "link to the other nodes; default: that of the default route",
      "--public-ip <address>": "this node's address for the others; default: the link's",
      "--ip-masq": "masquerade what pods send to other networks",
      "--cleanup": "take links, routes and rules away and end",
    },
    async (flags) => {
      const { subnetFile, publicIp, iface, ipMasq = false, hostnameOverride: nodeName } = flags;
      if (flags.cleanup) return cleanup({ subnetFile });
      if (publicIp !== undefined && !isIPv4(publicIp)) {
        throw new CommandError("FLAG", `--public-ip: not an IPv4 address: ${publicIp}`);
      }
      const netConf = { file: flags.netConfigPath };
      await runWithClient("overlay", flags.kubeconfig, (client, clock) =>
        startOverlay({ client, nodeName, netConf, subnetFile, iface, publicIp, ipMasq, clock }),
      );
    },
  );
