import { type Flow, forgetFlows } from "@raft2kube/linux/conntrack.ts";
import type { StaleFlow } from "../plan/stale-flows.ts";

/** Deletes stale conntrack entries. Returns their number. */
export function deleteStaleFlows(stale: readonly StaleFlow[]): number {
  if (stale.length === 0) return 0;
  // By frontend, so that the kernel's table is read once for all changes.
  const byFrontend = new Map<string, StaleFlow[]>();
  for (const flow of stale) {
    const frontend = `${flow.to ?? "*"}:${flow.port}`;
    byFrontend.set(frontend, [...(byFrontend.get(frontend) ?? []), flow]);
  }
  return forgetFlows("udp", (flow) => {
    const { destination, destinationPort } = flow.original;
    const exact = byFrontend.get(`${destination}:${destinationPort}`) ?? [];
    const any = byFrontend.get(`*:${destinationPort}`) ?? [];
    return [...exact, ...any].some((candidate) => matches(flow, candidate));
  });
}

function matches({ original, reply }: Flow, { target }: StaleFlow): boolean {
  // Not translated: the entry's destination is the Service's address itself.
  if (!target) return reply.source === original.destination;
  return reply.source === target.address && reply.sourcePort === target.port;
}
