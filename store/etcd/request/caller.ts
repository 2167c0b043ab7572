import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import { checkAdmin, checkUser } from "../../auth/authorize.ts";
import type { Caller } from "../../auth/caller.ts";
import type { EtcdContext } from "./context.ts";

export interface Credentials {
  token: string | undefined;
  /** Common name of the client certificate, which the connection has verified. */
  commonName?: string | undefined;
}

/** The metadata and header names of a token: gRPC's, and HTTP's. */
const TOKEN_NAMES = ["token", "authorization"] as const;

export function credentialsOf({ metadata, commonName }: Call): Credentials {
  for (const name of TOKEN_NAMES) {
    const [value] = metadata.get(name);
    if (typeof value === "string") return { token: value.replace(/^Bearer /, "") };
  }
  // A gateway presents its own certificate for every client.
  if (metadata.get("grpcgateway-accept").length > 0) return { token: undefined };
  return { token: undefined, commonName };
}

/** The context for one request's verb, which knows its caller and its client while auth is on. */
export function actingFor(
  context: EtcdContext,
  credentials: () => Credentials,
  client = "",
): EtcdContext {
  if (!context.state.auth.enabled) return context;
  return { ...context, client, identify: () => identify(context, credentials()) };
}

async function identify(
  { state, auth }: EtcdContext,
  { token, commonName }: Credentials,
): Promise<Caller | undefined> {
  if (token !== undefined) {
    const caller = await auth.tokens.caller(token);
    if (!caller) throw etcdError("invalidAuthToken");
    return caller;
  }
  if (!auth.clientCertAuth || commonName === undefined) return undefined;
  return { user: commonName, revision: state.auth.revision };
}

/** Throws etcd's error while auth is on and the caller is not a user. */
export async function requireUser(context: EtcdContext): Promise<void> {
  const { auth } = context.state;
  if (auth.enabled) checkUser(auth, await context.identify());
}

/** Throws etcd's error while auth is on and the caller does not have the role root. */
export async function requireAdmin(context: EtcdContext): Promise<void> {
  const { auth } = context.state;
  if (auth.enabled) checkAdmin(auth, await context.identify());
}

/**
 * Runs a read that `allowed` permits. Its result is returned only if users and roles are still
 * those by which it was permitted.
 */
export async function readAllowed<R>(
  context: EtcdContext,
  allowed: (caller: Caller | undefined) => void,
  read: () => Promise<R> | R,
): Promise<R> {
  const { state } = context;
  if (!state.auth.enabled) return read();
  const caller = await context.identify();
  allowed(caller);
  const result = await read();
  if (caller && caller.revision !== state.auth.revision) throw etcdError("authOldRevision");
  return result;
}
