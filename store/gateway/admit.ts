import { Auth, Election, Lock } from "@raft2kube/proto/gen/etcd.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import { rethrowWithoutStatus } from "../etcd/concurrency/verbs.ts";
import { actingFor, credentialsOf, requireUser } from "../etcd/request/caller.ts";
import type { EtcdContext } from "../etcd/request/context.ts";
import { rethrow } from "../etcd/serve/services.ts";

const CONCURRENCY = new Set<MethodTable>(
  [Lock, Election].flatMap(({ methods }) => Object.values<MethodTable>(methods)),
);

/**
 * Admits a request before its body is read: while auth is on, bodies are read for users only, as
 * JSON costs more to read than gRPC's messages. Every client may sign in. The verb checks the
 * user's rights, as over gRPC.
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
