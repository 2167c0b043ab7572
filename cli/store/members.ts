import { Cluster, type ClusterMethods, type Member } from "@raft2kube/proto/gen/etcd.ts";
import { type ClientTls, client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { given } from "@raft2kube/std/given.ts";

/** The limit of a call that reads or changes a store's members. */
export const MEMBER_CALL = { timeout_ms: 7_000 };

/** Work with the members that one of them knows. */
export type MemberWork<T> = (
  members: RpcClient<ClusterMethods>,
  known: readonly Member[],
) => Promise<T>;

/** Asks the member at `url` for all that it knows, and works with them. */
export async function withMember<T>(url: string, work: MemberWork<T>, tls?: ClientTls) {
  using channel = connectGrpc(url, given({ tls }));
  const members = client(channel, Cluster);
  const { members: known } = await members.memberList({ linearizable: true }, MEMBER_CALL);
  return await work(members, known);
}
