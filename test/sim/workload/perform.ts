import { CALLS, type CallName, callByName } from "@raft2kube/client-etcd/calls.ts";
import type { CallOptions, EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { KvInput } from "../../../testing/history/kv-model.ts";

/** Makes a request of the model's to a real client: `lease-grant` is its call `leaseGrant`. */
export function perform(
  client: EtcdClient,
  { kind, request }: KvInput,
  options?: CallOptions,
): Promise<unknown> {
  const name = kind.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  if (!(name in CALLS)) throw new RangeError(`no client asks for ${kind}`);
  return callByName(client, name as CallName, request, options);
}
