import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { type Agent, request as httpsRequest } from "node:https";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import { requirePlainAnswer } from "@raft2kube/streaming/interim.ts";
import { WEBHOOK_REFUSAL_BYTES_MAX } from "../limits.ts";
import { authorityOf, type Connections, type WebhookTarget } from "./connections.ts";
import { connectionError, WebhookError, type WebhookErrorOptions } from "./errors.ts";
import { readAnswer } from "./read-answer.ts";
import type { Address } from "./services.ts";

export interface CallOptions {
  /** The time for the whole call, from the connection to the last byte of the answer. */
  readonly timeout_ms: number;
  /** Ends the call: the request that it is made for is over. */
  readonly signal?: AbortSignal | undefined;
  /** Values that the answer may have; ANSWER_VALUES_MAX if it is absent. */
  readonly values_max?: number | undefined;
}

/** A request to a server outside, whose answer may have so many bytes and values. */
export interface Outgoing {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Buffer;
  readonly bytes_max: number;
  readonly values_max?: number | undefined;
  /** Returns whether so many bytes of memory may be held for the answer, which is not small. */
  readonly hold?: (bytes: number) => boolean;
}

export interface WebhookAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** The statuses that Go's client takes for an answer. */
export const isSuccess = (status: number): boolean => status >= 200 && status <= 206;

/** The error of a call in the words of Go's client: `Post "https://host/path": why`. */
export function callError(
  target: WebhookTarget,
  { method, path }: Pick<Outgoing, "method" | "path">,
  why: string,
  options: WebhookErrorOptions = {},
): WebhookError {
  const url = JSON.stringify(`https://${authorityOf(target)}${path}`);
  return new WebhookError(`${method === "GET" ? "Get" : "Post"} ${url}: ${why}`, options);
}

/**
 * Sends a request over HTTPS; again if the server closed an idle connection while it was sent on
 * it. No redirect is followed; of an answer that is no success only a beginning is read. Throws
 * WebhookError.
 */
export async function exchange(
  clock: Clock,
  connections: Connections,
  target: WebhookTarget,
  outgoing: Outgoing,
  { timeout_ms, signal }: CallOptions,
): Promise<WebhookAnswer> {
  const agent = connections.agentOf(target);
  const late = new AbortController();
  const timer = clock.after(timeout_ms, () => late.abort());
  const over = AbortSignal.any(signal === undefined ? [late.signal] : [late.signal, signal]);
  try {
    const begin = async () => send(outgoing, agent, await connections.addressOf(target), over);
    const { request, answer } = await begin();
    return await answer.catch(async (thrown: unknown) => {
      const isStale = request.reusedSocket && codeOf(thrown) === "ECONNRESET";
      if (!isStale || over.aborted) throw thrown;
      return await (await begin()).answer;
    });
  } catch (cause) {
    const ended = late.signal.aborted ? "context deadline exceeded" : "context canceled";
    const why = over.aborted ? ended : reasonOf(cause);
    throw callError(target, outgoing, why, { cause, isEnded: over.aborted });
  } finally {
    timer.cancel();
  }
}

type Sent = { readonly request: ClientRequest; readonly answer: Promise<WebhookAnswer> };

function send(outgoing: Outgoing, agent: Agent, to: Address, signal: AbortSignal): Sent {
  const { method, path, body } = outgoing;
  const length = body === undefined ? {} : { "content-length": body.length };
  const headers = { ...outgoing.headers, ...length };
  const request = httpsRequest({ ...to, agent, method, path, headers, signal });
  requirePlainAnswer(request);
  const answer = new Promise<WebhookAnswer>((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      const { statusCode: status = 0, headers: given } = response;
      readBounded(response, outgoing).then(
        (bytes) => resolve({ status, headers: given, body: bytes }),
        reject,
      );
    });
    request.end(body);
  });
  return { request, answer };
}

async function readBounded(response: IncomingMessage, outgoing: Outgoing): Promise<Buffer> {
  const isRefusal = !isSuccess(response.statusCode ?? 0);
  const bytes_max = isRefusal ? WEBHOOK_REFUSAL_BYTES_MAX : outgoing.bytes_max;
  const { values_max, hold } = outgoing;
  const { bytes, tooLong } = await readAnswer(response, bytes_max, values_max, hold);
  if (tooLong !== undefined && !isRefusal) throw new WebhookError(tooLong);
  return bytes;
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof WebhookError || thrown instanceof ApiError) return thrown.message;
  return connectionError(thrown);
}
