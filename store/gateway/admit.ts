import { Auth, Election, Lock } from "@raft2kube/proto/gen/etcd.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import { actingFor, credentialsOf, requireUser } from "../etcd/request/caller.ts";
import type { EtcdContext } from "../etcd/request/context.ts";
import { rethrowWithoutStatus } from "../etcd/concurrency/verbs.ts";
import { rethrow } from "../etcd/serve/services.ts";

const CONCURRENCY = new Set<MethodTable>([Lock, Election].flatMap(({ methods }) => {
  return Object.values<MethodTable>(methods);
}));

/**
 * While auth is on, a body is read for users only: JSON costs more to read than gRPC's messages.
 * Signing in is for all. What the user may do is checked by the verb, as over gRPC.
 */
export async function admitUser(
  context: EtcdContext,
  method: MethodTable,
  call: Call,
): Promise<void> {
  if (method === Auth.methods.authenticate) return;
  const refuse = CONCURRENCY.has(method) ? rethrowWithoutStatus : rethrow;
  await requireUser(actingFor(context, () => credentialsOf(call))).catch(refuse);
}
