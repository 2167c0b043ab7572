import { header } from "@raft2kube/store/mvcc/state/state.ts";
import type { Generation } from "../cluster/generation.ts";
import type { Mutant } from "./mutant.ts";

/** A renewal after a checkpoint is answered without its record in the log. */
function renewsUnrecorded({ replica, state }: Generation): void {
  const proposeInTerm = replica.proposeInTerm.bind(replica);
  replica.proposeInTerm = (command, done) => {
    const renews =
      command.kind === "lease-checkpoint" && command.request.checkpoints[0]?.remainingTTL === 0;
    if (renews) done({ response: { header: header(state) } } as Parameters<typeof done>[0]);
    else proposeInTerm(command, done);
  };
}

/** A key that is written again without its lease stays attached to it. */
function keepsAttached({ state }: Generation): void {
  const { leases } = state;
  const attach = leases.attach.bind(leases);
  leases.attach = (key, id) => {
    if (id !== 0n) attach(key, id);
  };
}

/** A serializable read names a later revision than the one that it shows. */
function namesLaterRevision({ client }: Generation): void {
  const range = client.range.bind(client);
  client.range = async (request, options) => {
    const response = await range(request, options);
    const { header: named } = response;
    if (!request.serializable || !named) return response;
    return { ...response, header: { ...named, revision: named.revision + 1 } };
  };
}

/** A member says by its own clock what is left of a lease, and from its own state what it has. */
function looksAtOwnLeases({ client, state }: Generation): void {
  client.leaseTimeToLive = ({ ID = 0n }) => {
    const lease = state.leases.get(ID);
    const keys = [...(lease?.keys ?? [])].sort().map((key) => Buffer.from(key, "latin1"));
    const TTL = lease ? state.leaseTimers.remaining_s(ID) : -1;
    const grantedTTL = lease?.ttl_s ?? 0;
    return Promise.resolve({ header: header(state), ID, TTL, grantedTTL, keys });
  };
}

/** A lease whose time is over is renewed, while its revocation is on its way. */
function renewsExpired({ state }: Generation): void {
  state.leaseTimers.expired = () => false;
}

/** The hash of an older revision is the one of the newest. */
function hashesNewest(generation: Generation): void {
  const hashed = generation.hashKv;
  generation.hashKv = async (revision) => {
    const answer = await hashed(0);
    return revision > 0 ? { ...answer, hashRevision: revision } : answer;
  };
}

/** The leases' clock starts at the election, when entries of earlier leaders may be unapplied. */
function startsClockEarly({ raft, expiry }: Generation): void {
  const leads = expiry.leads.bind(expiry);
  const ready = raft.ready.bind(raft);
  let led = 0;
  raft.ready = () => {
    const { term } = raft.state;
    if (raft.isLeader && led !== term) {
      led = term;
      expiry.leads(true);
    }
    return ready();
  };
  let began = 0;
  expiry.leads = (isLeader) => {
    if (isLeader && began === raft.state.term) return;
    if (isLeader) began = raft.state.term;
    leads(isLeader);
  };
}

/** Promises that had no test, broken after the checkers were finished. */
export const PROMISE_MUTANTS: readonly Mutant[] = [
  {
    name: "answers a renewal behind a checkpoint before it is recorded",
    breaks: "S7",
    noticedBy: ["lease kept"],
    seams: { generation: renewsUnrecorded },
  },
  {
    name: "leaves a key attached to a lease that it is written without",
    breaks: "S7",
    noticedBy: ["state agreement", "linearizability", "lease read"],
    seams: { generation: keepsAttached },
  },
  {
    name: "names a later revision in a serializable read than it shows",
    breaks: "S3",
    noticedBy: ["serializable"],
    seams: { generation: namesLaterRevision },
  },
  {
    name: "answers what is left of a lease from the member's own state",
    breaks: "S7",
    noticedBy: ["lease read", "lease bound", "lease kept"],
    seams: { generation: looksAtOwnLeases },
  },
  {
    name: "renews a lease whose time is over",
    breaks: "S7",
    noticedBy: ["lease bound", "lease kept"],
    seams: { generation: renewsExpired },
  },
  {
    name: "answers the hash of an older revision with that of the newest",
    breaks: "S8",
    noticedBy: ["hash"],
    seams: { generation: hashesNewest },
  },
  {
    name: "starts the leases' clock before its term's first entry is applied",
    breaks: "S7",
    noticedBy: ["lease kept", "lease bound"],
    seams: { generation: startsClockEarly },
  },
];
