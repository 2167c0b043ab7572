import { createHash, X509Certificate } from "node:crypto";
import type { Http2Session } from "node:http2";
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from "node:tls";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { sourceOf } from "@raft2kube/streaming/paced-socket.ts";
import type { Incoming } from "../request/context.ts";

const log = logger("apiserver");

/** The user in a connection's client certificate, and from when until when it is valid. */
export interface Certified {
  readonly user: RequestUser;
  readonly socket: TLSSocket;
  /** SHA-256 of the CA that vouches for it; undefined where signatures lead to none. */
  readonly root: string | undefined;
  readonly from_ms: number;
  readonly until_ms: number;
}

/** A connection's certificate, parsed once: it cannot change during the connection. */
const bySocket = new WeakMap<TLSSocket, Certified | "unverified" | undefined>();

const socketOfSession = new WeakMap<Http2Session, TLSSocket>();

/** Certificates made for other purposes are not believed here (extended key usage clientAuth). */
const CLIENT_AUTH_OID = "1.3.6.1.5.5.7.3.2";
const CREDENTIAL = "authentication.kubernetes.io/credential-id";

/**
 * The user of a verified client certificate: CN is the name, each O a group. "unverified" when a
 * certificate was shown that no client CA vouches for, undefined when none was shown.
 */
export function clientCertificateUser(request: Incoming): Certified | "unverified" | undefined {
  return certificateOf(socketOf(request));
}

/** The user of a connection's verified client certificate. */
export function certifiedUser(socket: TLSSocket): RequestUser | undefined {
  const shown = certificateOf(socket);
  return typeof shown === "object" ? shown.user : undefined;
}

function certificateOf(socket: TLSSocket): Certified | "unverified" | undefined {
  if (!bySocket.has(socket)) bySocket.set(socket, userOf(socket));
  return bySocket.get(socket);
}

/** Notes the connection of an HTTP/2 session, before its first request. */
export function noteSocket(session: Http2Session, socket: TLSSocket): void {
  socketOfSession.set(session, socket);
}

/** The connection of a request. */
export function socketOf(request: Incoming): TLSSocket {
  // An HTTP/2 request's socket is a proxy, and so is its session's.
  const { session } = "stream" in request ? request.stream : {};
  return (session && socketOfSession.get(session)) ?? (sourceOf(request.socket) as TLSSocket);
}

function userOf(socket: TLSSocket): Certified | "unverified" | undefined {
  const certificate = socket.getPeerCertificate();
  if (!certificate || Object.keys(certificate).length === 0) return undefined;
  if (!socket.authorized) return "unverified";
  const usages: string[] | undefined = certificate.ext_key_usage;
  if (usages !== undefined && !usages.includes(CLIENT_AUTH_OID)) return "unverified";
  const subject = certificate.subject as unknown as Record<string, string | string[] | undefined>;
  const [name] = listOf(subject["CN"]);
  if (name === undefined || name === "") return "unverified";
  const extra = { [CREDENTIAL]: [digestOf(certificate)] };
  const user = { name, groups: listOf(subject["O"]), extra };
  const from_ms = Date.parse(certificate.valid_from);
  const root = rootOf(socket.getPeerCertificate(true));
  return { user, socket, root, from_ms, until_ms: Date.parse(certificate.valid_to) };
}

/**
 * The fingerprint of the CA to which the signatures lead, which names itself as issuer. Node links
 * certificates by names: one above the leaf may be any that the client sent (fail closed).
 */
function rootOf(leaf: DetailedPeerCertificate): string | undefined {
  let { issuerCertificate: above, fingerprint256, raw } = leaf;
  while (above !== undefined && above.fingerprint256 !== fingerprint256) {
    if (!isSignedBy(raw, above.raw)) return undefined;
    ({ issuerCertificate: above, fingerprint256, raw } = above);
  }
  return fingerprint256;
}

function isSignedBy(raw: Buffer, issuer: Buffer): boolean {
  try {
    return new X509Certificate(raw).verify(new X509Certificate(issuer).publicKey);
  } catch (thrown) {
    log.debug("a certificate of a client's chain was not read", { reason: messageOf(thrown) });
    return false;
  }
}

/** Names the certificate in a request's records, as upstream does. */
function digestOf({ raw }: PeerCertificate): string {
  return `X509SHA256=${createHash("sha256").update(raw).digest("hex")}`;
}

function listOf(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
