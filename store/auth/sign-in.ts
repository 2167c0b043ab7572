import { MessageType } from "@raft2kube/proto/codec.ts";
import type { ResponseHeader } from "@raft2kube/proto/gen/etcd.ts";

/**
 * etcdserverpb.InternalAuthenticateRequest without its password, which stays out of the log: it
 * was checked before.
 */
export interface SignIn {
  name: string;
  /** Random, made by the proposer; empty where tokens are not this kind. */
  simpleToken: string;
}
export const SignIn: MessageType<SignIn> = new MessageType("r2k.SignIn", () => [
  { id: 1, name: "name", type: "string" },
  { id: 3, name: "simpleToken", type: "string" },
]);

/** The result of a sign-in. */
export interface SignedIn {
  header: ResponseHeader;
  /** The token; empty where tokens are not simple ones. */
  token: string;
  authRevision: number;
}
