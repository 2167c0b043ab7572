import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Duplex } from "node:stream";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import type { CountWrite } from "../storage/object-store.ts";
import type { AuditAnnotations } from "./annotations.ts";
import type { Answer } from "./answer.ts";
import type { Negotiated } from "./negotiate.ts";
import type { RequestInfo } from "./request-info.ts";

/** A request as either protocol version delivers it. */
export type Incoming = IncomingMessage | Http2ServerRequest;
/**
 * An answer as either protocol version takes it. HTTP/2's compatibility class has the same methods,
 * but its
 * overloads do not unite with HTTP/1's in the type system, so both go under the one name.
 */
export type Outgoing = ServerResponse;

/** The record of a request for the audit log, which steps on its way fill. */
export interface RequestAudit {
  readonly annotations: AuditAnnotations;
  /** Takes the object of the request's body, before anything changes it, or the options. */
  received(object: object): void;
  /** Takes the patch of the request's body; asks for it if need be. */
  patched(patch: () => unknown): void;
  /** The request goes on as another user, whom this verb of constrained impersonation allows. */
  impersonated(constraint: string): void;
  answered(answer: Answer): void;
  /** The head of an answer that lasts was sent. */
  started(): void;
  /** The request failed with this answer. */
  failed(status: Status): void;
}

/** One request on its way through filters and handlers; each fills what it is there for. */
export interface RequestContext {
  /**
   * The request's id: the header `Audit-Id` of the answer, and in every log line about the request.
   */
  readonly id: string;
  readonly request: Incoming;
  readonly response: Outgoing;
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  /** The user, after impersonation. Anonymous until authentication ran. */
  user: RequestUser;
  /** The owner of the share that it counts to: `authn/owner.ts`. */
  owner?: Owner;
  /** Signal that is aborted when the client has gone, or the server closes. */
  readonly signal: AbortSignal;
  /** The connection, when the client asks for another protocol on it. */
  readonly upgrade: { socket: Duplex; head: Buffer } | undefined;
  /** The end of the request's time, by the clock's `monotonic`; undefined for one that lasts. */
  deadline_ms?: number | undefined;
  /** Ends the request without (the rest of) an answer. */
  cut(): void;
  /** Called with the bytes of the request's body. */
  received?: (bytes: number) => void;
  /** Counts bytes of the body that have come. Throws 429 when its user's bodies have too many. */
  holdBody?: (bytes: number) => void;
  /**
   * Counts bytes of a list that were read from the store; returns how to give all of the request's
   * back, once. Throws 429 when its user has too many.
   */
  holdRead?: (bytes: number) => () => void;
  /**
   * Counts bytes that are about to be stored in the place of `before`. Throws 429 when its user, or
   * all, have written too many.
   */
  countWrite?: CountWrite;
  /**
   * Waits until an answer's bytes are within the budget; returns how to give them back, undefined
   * for a small answer when its user leaves too many unread. Throws 429 when too many wait.
   */
  budget?: (bytes: number) => Promise<(() => void) | undefined>;
  /** Calls back after a time, by the server's clock. */
  after?: Clock["after"];
  /** Called when the answer is known and remains to be sent, or the watch has started. */
  answered?: () => void;
  /**
   * Called by a request that does the work of many, between two of its objects: it waits while
   * others that came before have its seats. Throws 429 as at the request's start.
   */
  giveWay?: () => Promise<void>;
  /** Called with the bytes of an answer that is sent in one piece. */
  sent?: (bytes: number) => void;
  /** The request's record for the audit log, if there is one. */
  audit?: RequestAudit | undefined;
  /** The form of the answer, once it is settled that there is one. */
  negotiated?: Negotiated;
  /** Texts for `Warning:` headers. */
  readonly warnings: string[];
}

/** A header as one string; repeated headers that Node keeps apart are joined. */
export function headerOf(request: Incoming, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : (value ?? "");
}

/** Whether a request announces a body, which may be empty. */
export function hasBody(request: Incoming): boolean {
  if ("stream" in request) return !request.stream.endAfterHeaders;
  return (
    headerOf(request, "content-length") !== "" || headerOf(request, "transfer-encoding") !== ""
  );
}
