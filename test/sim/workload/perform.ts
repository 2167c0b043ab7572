import type { CallOptions, EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { KvInput } from "../../../testing/history/kv-model.ts";

/** Makes a request of the model's to a real client. */
export function perform(
  client: EtcdClient,
  input: KvInput,
  options?: CallOptions,
): Promise<unknown> {
  switch (input.kind) {
    case "range":
      return client.range(input.request, options);
    case "put":
      return client.put(input.request, options);
    case "delete-range":
      return client.deleteRange(input.request, options);
    case "txn":
      return client.txn(input.request, options);
    case "compact":
      return client.compact(input.request, options);
    case "lease-grant":
      return client.leaseGrant(input.request, options);
    case "lease-revoke":
      return client.leaseRevoke(input.request, options);
    default:
      throw new RangeError(`no client asks for ${input.kind}`);
  }
}
