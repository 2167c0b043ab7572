import type { Raft } from "@raft2kube/store/core/raft.ts";
import { kindOf } from "@raft2kube/store/mvcc/apply/command.ts";
import type { Generation } from "../cluster/generation.ts";
import type { Mutant } from "./mutant.ts";

const LONG_MS = 600_000;

/** Proposes again in a later term what this leader had proposed for its own term and lost. */
function proposeLostAgain(raft: Raft): void {
  const propose = raft.propose.bind(raft);
  const ready = raft.ready.bind(raft);
  let own: { term: number; data: Buffer }[] = [];
  raft.propose = (all) => {
    const proposed = propose(all);
    if (typeof proposed === "string" || "refused" in proposed) return proposed;
    const revocations = all.filter((data) => OWN_KINDS.has(kindOf(data)));
    own.push(...revocations.map((data) => ({ term: proposed.term, data })));
    return proposed;
  };
  raft.ready = () => {
    const result = ready();
    for (const { term, data: applied } of result?.committed ?? []) {
      own = own.filter(({ data }) => !data.equals(applied));
      const lost = own.filter((each) => each.term < term);
      own = own.filter((each) => each.term >= term);
      if (lost.length > 0 && raft.isLeader) propose(lost.map(({ data }) => data));
    }
    return result;
  };
}

/** Commands that a leader proposes by itself. */
const OWN_KINDS = new Set<string | undefined>(["lease-revoke", "lease-checkpoint"]);

export const LEASE_MUTANTS: readonly Mutant[] = [
  {
    name: "a deposed leader revokes expired leases",
    breaks: "S7",
    noticedBy: ["lease kept", "in its term only"],
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
    noticedBy: ["lease bound", "lease ends"],
    seen: "etcd #17132",
    seams: {
      generation: ({ state }: Generation) => {
        const { leaseTimers } = state;
        const restart = leaseTimers.restart.bind(leaseTimers);
        leaseTimers.restart = (leases, grace_ms) => restart(leases, grace_ms + LONG_MS);
      },
    },
  },
  {
    name: "loses what is left of its leases at a restart",
    breaks: "S7",
    noticedBy: ["state agreement", "lease bound"],
    seams: {
      restored: (_, { leases }) => {
        for (const lease of leases.values()) lease.remaining_s = 0;
      },
    },
  },
  {
    name: "a new leader gives leases their whole TTL in spite of checkpoints",
    breaks: "S7",
    noticedBy: ["lease bound"],
    seams: {
      generation: ({ state }: Generation) => {
        const { leaseTimers } = state;
        const restart = leaseTimers.restart.bind(leaseTimers);
        leaseTimers.restart = (leases, grace_ms) => {
          restart(
            [...leases].map((lease) => ({ ...lease, remaining_s: 0 })),
            grace_ms,
          );
        };
      },
    },
  },
  {
    name: "proposes a revocation again in a later term of the same leader",
    breaks: "S7",
    noticedBy: ["in its term only", "lease kept", "applied once"],
    seams: { raft: proposeLostAgain },
  },
];
