import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import type { Shares } from "@raft2kube/std/shares.ts";
import type { Forwards } from "./forwards.ts";
import type { Upstream } from "./upstream.ts";

export interface Session {
  /** The name by which limits are shared: a user, or the namespace of service accounts. */
  readonly user: string;
  readonly upstream: Upstream;
}

/** Takes one of an owner's share, else throws HttpError. Returns how to give it back, once. */
export function takeOne(shares: Shares, name: string): () => void {
  if (shares.fits({ name })) return shares.take({ name });
  throw new HttpError(429, "too much of this user or address is under way: end some");
}

/** Decides who may use a dashboard's server, and with which rights. */
export interface Access {
  /** How the page signs in: by the ticket of its link, or by a token that a person enters. */
  readonly login: "link" | "token";
  /** Why a ticket or token was refused. */
  readonly refusal: string;
  /** The remedy for a browser without a session. */
  readonly remedy: string;
  /** Ports of pods at loopback, where the server's loopback is the browser's. */
  readonly forwards?: Forwards;
  /** Whether a Host header names this server, which listens on `port`. */
  isOwnName(host: string, port: number): boolean;
  /** Returns a new session's secret for a ticket or token; undefined if that is not accepted. */
  signIn(given: string): Promise<string | undefined>;
  /** Returns the session of a secret; undefined if there is none, or it has expired. */
  sessionOf(secret: string): Promise<Session | undefined>;
  /** Returns the address that a browser opens, made of the server's. */
  link(server: string): string;
  close(): void;
}
