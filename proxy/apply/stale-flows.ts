import { type Flow, forgetFlows } from "@raft2kube/linux/conntrack.ts";
import type { StaleFlow } from "../plan/stale-flows.ts";

/** Makes the kernel forget connections that lead where they should no longer. Returns how many. */
export function forgetStaleFlows(stale: readonly StaleFlow[]): number {
  if (stale.length === 0) return 0;
  // By front, so that the kernel's list is gone through once whatever the number of changes.
  const byFront = new Map<string, StaleFlow[]>();
  for (const flow of stale) {
    const front = `${flow.to ?? "*"}:${flow.port}`;
    byFront.set(front, [...(byFront.get(front) ?? []), flow]);
  }
  return forgetFlows("udp", (flow) => {
    const { destination, destinationPort } = flow.original;
    const exact = byFront.get(`${destination}:${destinationPort}`) ?? [];
    const any = byFront.get(`*:${destinationPort}`) ?? [];
    return [...exact, ...any].some((candidate) => leadsTo(flow, candidate));
  });
}

function leadsTo({ original, reply }: Flow, { target }: StaleFlow): boolean {
  // Not translated: the packets went to the Service's address itself, where nobody is.
  if (!target) return reply.source === original.destination;
  return reply.source === target.address && reply.sourcePort === target.port;
}
