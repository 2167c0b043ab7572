import { networkInterfaces } from "node:os";
import { type Flow, forgetFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import type { PortMapping } from "../../lib/types.ts";

/**
 * Deletes the conntrack entries of UDP to host ports that were just mapped. They were made before:
 * a client that goes on would be led to the container that had the port, or to none, without end.
 * A kernel without ctnetlink keeps them. As the reference plugin, which asks for the port alone.
 */
export async function forgetFormerFlows(mappings: readonly PortMapping[]): Promise<void> {
  const udp = mappings.filter(({ protocol }) => protocol === "udp");
  if (udp.length === 0) return;
  const links = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const own = new Set(links.map(({ address }) => address));
  const isMapped = ({ original: { destination, destinationPort } }: Flow) =>
    udp.some(
      ({ hostPort, hostIP }) =>
        hostPort === destinationPort &&
        (hostIP === undefined ? own.has(destination) : hostIP === destination),
    );
  const noCtnetlink = errno("EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT");
  await tolerate(forgetFlows("udp", isMapped), noCtnetlink);
}
