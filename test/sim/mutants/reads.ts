import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { Generation } from "../cluster/generation.ts";
import type { Mutant } from "./mutant.ts";

/** The id of all attempts of a member. */
const SAME = 7;

/** All attempts to confirm a read have one id: a reply to one confirms another. */
function reuseReadId(raft: Raft): void {
  const requestReadIndex = raft.requestReadIndex.bind(raft);
  const ready = raft.ready.bind(raft);
  let latest = 0;
  raft.requestReadIndex = (readId) => {
    latest = readId;
    return requestReadIndex(SAME);
  };
  raft.ready = () => {
    const result = ready();
    if (!result) return result;
    return { ...result, reads: result.reads.map(({ index }) => ({ readId: latest, index })) };
  };
}

export const READ_MUTANTS: readonly Mutant[] = [
  {
    name: "answers reads without a quorum",
    breaks: "S2",
    noticedBy: ["linearizability", "time travel"],
    seams: {
      generation: ({ replica }: Generation) => {
        replica.readBarrier = (done) => done();
      },
    },
  },
  {
    name: "retries a read with the id of its first attempt",
    breaks: "S2",
    noticedBy: ["read index", "linearizability", "time travel"],
    seen: "etcd #20418",
    seams: { raft: reuseReadId },
  },
  {
    name: "answers lists from the member's own state",
    breaks: "K1",
    noticedBy: ["linearizability", "time travel"],
    seen: "kubernetes #59848",
    seams: {
      generation: ({ client }: Generation) => {
        const range = client.range.bind(client);
        client.range = (request, options) => {
          const list = (request.rangeEnd?.length ?? 0) > 0;
          return range(list ? { ...request, serializable: true } : request, options);
        };
      },
    },
  },
];
