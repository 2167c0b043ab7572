import type { Generation } from "../cluster/generation.ts";
import type { Mutant } from "./mutant.ts";

const LONG_MS = 600_000;

export const LEASE_MUTANTS: readonly Mutant[] = [
  {
    name: "a deposed leader revokes expired leases",
    breaks: "S7",
    noticedBy: ["lease kept"],
    seen: "etcd #15247",
    seams: {
      generation: ({ expiry, replica }: Generation) => {
        replica.proposeInTerm = (command, done) => replica.propose(command, done);
        const leads = expiry.leads.bind(expiry);
        expiry.leads = (isLeader) => {
          if (isLeader) leads(true);
        };
      },
    },
  },
  {
    name: "each new leader extends all leases",
    breaks: "S7",
    noticedBy: ["lease ends"],
    seen: "etcd #17132",
    seams: {
      generation: ({ state }: Generation) => {
        const { leaseTimers } = state;
        const restart = leaseTimers.restart.bind(leaseTimers);
        leaseTimers.restart = (leases, grace_ms) => restart(leases, grace_ms + LONG_MS);
      },
    },
  },
];
