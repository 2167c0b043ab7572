import { logger } from "@raft2kube/observe/log.ts";
import { HashKVRequest, HashKVResponse } from "@raft2kube/proto/gen/etcd.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { EtcdContext } from "../etcd/request/context.ts";
import type { LeaderVerb } from "../etcd/request/on-leader.ts";
import { SCRUB_TIMEOUT_MS } from "../limits.ts";
import { hashKv } from "../mvcc/persist/hash.ts";
import { header } from "../mvcc/state/state.ts";

const log = logger("scrub");

/** A request between members: the hash of the records up to a revision. */
export const peerHashVerb: LeaderVerb<HashKVRequest, HashKVResponse> = {
  kind: "hash-kv",
  request: HashKVRequest,
  response: HashKVResponse,
  here: async (context, request) => {
    const { state } = context;
    const { hash, revision, compactRevision } = await hashKv(state, request.revision, context);
    return { header: header(state), hash, compactRevision, hashRevision: revision };
  },
};

/** Asks another member; undefined when it does not answer, or cannot yet or no longer. */
export async function askForHash(
  { transport }: EtcdContext,
  member: bigint,
  revision: number,
): Promise<HashKVResponse | undefined> {
  const body = HashKVRequest.encode({ revision });
  try {
    const answer = await transport.ask(member, "hash-kv", body, SCRUB_TIMEOUT_MS);
    return HashKVResponse.decode(answer);
  } catch (thrown) {
    log.info("no hash from a member", { member: member.toString(16), reason: messageOf(thrown) });
    return undefined;
  }
}
