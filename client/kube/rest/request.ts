import type { HttpResponse } from "../transport/transport.ts";

/** One call to the API by its path; `body` is sent as JSON unless it is a string or a Buffer. */
export interface KubeRequest {
  method: string;
  path: string;
  body?: unknown;
  contentType?: string | undefined;
  accept?: string | undefined;
  signal?: AbortSignal | undefined;
  timeout_ms?: number | undefined;
  /** The longest answer; default `RESPONSE_BYTES_MAX`. Not of `open`. */
  bytes_max?: number | undefined;
}

/** Sends requests to one apiserver: the part of a `KubeClient` that resources and watches need. */
export interface KubeRequester {
  /** Sends a request and returns its answer, parsed as JSON. */
  request<T>(request: KubeRequest): Promise<T>;
  /** Sends a request whose answer does not matter unless it is an error. */
  send(request: KubeRequest): Promise<void>;
  /** Sends a request and returns the answer's head with its body unread. */
  open(request: KubeRequest): Promise<HttpResponse>;
}
