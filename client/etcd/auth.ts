import type { Init } from "@raft2kube/proto/codec.ts";
import { Auth, type AuthMethods } from "@raft2kube/proto/gen/etcd.ts";
import type { Unary } from "@raft2kube/proto/service.ts";
import type { CallOptions } from "./client.ts";

type AuthCall<M> =
  M extends Unary<infer Q, infer R>
    ? (request: Init<Q>, options?: CallOptions) => Promise<R>
    : never;

/** etcd's Auth service: users, roles, and whether they are asked for. */
export type EtcdAuth = { readonly [M in keyof AuthMethods]: AuthCall<AuthMethods[M]> };

/** The user of a client, for a store with auth enabled. */
export interface EtcdUser {
  readonly name: string;
  readonly password: string;
}

type AuthCaller = (
  name: keyof AuthMethods,
  request: unknown,
  given: CallOptions | undefined,
) => Promise<unknown>;

/** The whole service from one function that makes any of its calls. */
export function authCalls(call: AuthCaller): EtcdAuth {
  const names = Object.keys(Auth.methods) as (keyof AuthMethods)[];
  const calls = names.map((name) => {
    return [name, (request: unknown, given?: CallOptions) => call(name, request, given)];
  });
  return Object.fromEntries(calls) as EtcdAuth;
}
