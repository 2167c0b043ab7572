import { Auth, KV, Lease, Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import type { CallOptions, EtcdClient } from "./client.ts";

/** A client's calls by name, with their messages' types. */
export const CALLS = {
  ...KV.methods,
  ...Lease.methods,
  status: Maintenance.methods.status,
  ...Auth.methods,
};

export type CallName = keyof typeof CALLS;

/** Makes the call of that name. */
type Caller = (name: CallName, request: object, options?: CallOptions) => Promise<unknown>;

/** Returns all calls of a client from one function that makes any of them. */
export function callsBy(call: Caller): Omit<EtcdClient, "watch" | "as" | "connection" | "close"> {
  const takingRequest = (methods: object) =>
    Object.fromEntries(
      Object.keys(methods).map((name) => [
        name,
        (request: object, o?: CallOptions) => call(name as CallName, request, o),
      ]),
    );
  return {
    ...takingRequest({ ...KV.methods, ...Lease.methods }),
    leaseLeases: (o?: CallOptions) => call("leaseLeases", {}, o),
    status: (o?: CallOptions) => call("status", {}, o),
    auth: takingRequest(Auth.methods),
  } as unknown as EtcdClient;
}

/** Makes a client's call by its name. */
export function callByName(client: EtcdClient, ...[name, request, o]: Parameters<Caller>) {
  if (name === "leaseLeases" || name === "status") return client[name](o);
  const calls = (name in Auth.methods ? client.auth : client) as Record<string, unknown>;
  return (calls[name] as (request: object, o?: CallOptions) => Promise<unknown>)(request, o);
}
