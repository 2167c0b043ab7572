import type { Kind, KubeObject, Printed } from "@raft2kube/api/kind.ts";
import type { Watcher } from "../cache/watcher.ts";

/** A list before it is encoded: the bodies are JSON already. */
export interface ObjectList {
  kind: Kind;
  /** The revision that the list shows, 0 for objects that are not stored. */
  revision: number;
  continue?: string;
  remaining?: number;
  /** JSON of each item, its resourceVersion within. */
  items: readonly Buffer[];
}

/** Bytes ready to send. */
export interface BytesAnswer {
  type: "bytes";
  code: number;
  /** The content type; undefined for an answer without a body. */
  contentType: string | undefined;
  body: Buffer | string;
  /** Encoding of a compressed body; the handler has checked that the client accepts it. */
  encoding?: "gzip";
  headers?: Readonly<Record<string, string>>;
}

/** The result of a verb; `handlers/response/respond.ts` alone encodes it. */
export type Answer =
  | { type: "object"; code: number; object: KubeObject; kind?: Printed; body?: Buffer | undefined }
  | { type: "list"; list: ObjectList }
  | { type: "watch"; watcher: Watcher; timeout_ms: number }
  | BytesAnswer
  /** The handler has answered by itself: a tunnel, a stream. */
  | { type: "taken" };

/** `body` is the object's JSON, where that is known already. */
export function objectAnswer(
  object: KubeObject,
  kind?: Printed,
  code = 200,
  body?: Buffer,
): Extract<Answer, { type: "object" }> {
  return { type: "object", code, object, body, ...(kind ? { kind } : {}) };
}

export function textAnswer(code: number, body: string): BytesAnswer {
  return { type: "bytes", code, contentType: "text/plain; charset=utf-8", body };
}

/** 404 for a path that nothing serves, in the words of Go's own server. */
export const noSuchPage = (): BytesAnswer => textAnswer(404, "404 page not found\n");

export function jsonAnswer(value: unknown): BytesAnswer {
  return { type: "bytes", code: 200, contentType: "application/json", body: JSON.stringify(value) };
}
