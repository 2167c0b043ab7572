import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { STORE_STATUS_MS } from "../../limits.ts";
import { type Answer, jsonAnswer } from "../../request/answer.ts";

export const STORE_PATH = "/debug/store";

/** Answers `/debug/store`: what each member of the store says of itself, or why it is silent. */
export async function dumpStore(etcd: EtcdClient): Promise<Answer> {
  const { connection } = etcd;
  const single = connection && connection.endpoints.length > 1 ? connection : undefined;
  if (!single) return jsonAnswer({ members: [await memberOf(etcd, "the API server's own")] });
  return jsonAnswer({
    members: await Promise.all(
      single.endpoints.map(async (endpoint) => {
        const client = connectEtcd({ ...single, endpoints: [endpoint], spread: false });
        try {
          return await memberOf(client, endpoint);
        } finally {
          await client.close();
        }
      }),
    ),
  });
}

/** Member ids are written as etcdctl does, in hexadecimal. */
async function memberOf(client: EtcdClient, endpoint: string): Promise<object> {
  try {
    const { header, ...status } = await client.status({ timeout_ms: STORE_STATUS_MS });
    const { memberId = 0n, revision = 0 } = header ?? {};
    return {
      endpoint,
      member: memberId.toString(16),
      leader: status.leader.toString(16),
      term: status.raftTerm,
      index: status.raftIndex,
      applied: status.raftAppliedIndex,
      revision,
      version: status.version,
      bytes: status.dbSize,
      isLearner: status.isLearner,
      errors: status.errors,
    };
  } catch (thrown) {
    return { endpoint, errors: [messageOf(thrown)] };
  }
}
