import { CodedError, codeOf, messageOf } from "@raft2kube/std/errors.ts";

export interface WebhookErrorOptions {
  /** The HTTP status that metrics and callers see. Default 503. */
  readonly http?: number;
  /** Whether the call was ended from this side. */
  readonly isEnded?: boolean;
  readonly cause?: unknown;
}

/** A call of a webhook that brought no usable answer; texts are those of upstream's Go client. */
export class WebhookError extends CodedError {
  readonly http: number;
  readonly isEnded: boolean;

  constructor(message: string, { http = 503, isEnded = false, cause }: WebhookErrorOptions = {}) {
    super("WEBHOOK", message, { cause });
    this.http = http;
    this.isEnded = isEnded;
  }
}

const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

const CONNECT: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  ETIMEDOUT: "connection timed out",
};

/** The members of errors of Node's sockets, lookups and certificates. */
type ConnectionFailure = Partial<Record<"address" | "port" | "hostname" | "host", string>> & {
  readonly cert?: { readonly subjectaltname?: string };
};

/** The words of Go's client for an error of a connection. */
export function connectionError(thrown: unknown): string {
  const code = codeOf(thrown) ?? "";
  const { address, port, hostname, host = "", cert } = thrown as ConnectionFailure;
  if (Object.hasOwn(CONNECT, code)) {
    const place = address?.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
    return `dial tcp ${place}: connect: ${CONNECT[code]}`;
  }
  const tls = "tls: failed to verify certificate: x509: certificate";
  if (UNTRUSTED.has(code)) return `${tls} signed by unknown authority`;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return `${tls} has expired or is not yet valid`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = (cert?.subjectaltname ?? "").replaceAll(/(?:DNS|IP Address):/g, "");
    return `${tls} is valid for ${names || "no names"}, not ${host}`;
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return `dial tcp: lookup ${hostname}: no such host`;
  }
  if (code === "ECONNRESET") {
    return messageOf(thrown) === "socket hang up" ? "EOF" : "read: connection reset by peer";
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) {
    return "http: server gave HTTP response to HTTPS client";
  }
  return messageOf(thrown);
}

const STATUS: Readonly<Record<number, string>> = {
  400: "the server rejected our request for an unknown reason",
  401: "the server has asked for the client to provide credentials",
  404: "the server could not find the requested resource",
  405: "the server does not allow this method on the requested resource",
  409: "the server reported a conflict",
  422: "the server rejected our request due to an error in our request",
  429: "the server has received too many requests and has asked us to try again later",
  503: "the server is currently unable to handle the request",
  504:
    "the server was unable to return a response in the time allotted, " +
    "but may still be processing the request",
};

/** The message of Go's client for a status that is no success, and the text that came with it. */
export function statusError(status: number, text: string): string {
  const known = STATUS[status];
  if (known !== undefined) return known;
  if (status === 403) return text || "forbidden";
  if (status >= 500) {
    const error = `an error on the server (${JSON.stringify(text)})`;
    return `${error} has prevented the request from succeeding`;
  }
  if (status >= 300 && status < 400) {
    return `the webhook answered with a redirect (${status}), which is not followed`;
  }
  return `the server responded with the status code ${status} but did not return more information`;
}
