import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { type Agent, request as httpsRequest } from "node:https";
import type { Clock } from "@raft2kube/std/clock.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import { boundInterimAnswers } from "@raft2kube/streaming/interim.ts";
import { WEBHOOK_REFUSAL_BYTES_MAX } from "../limits.ts";
import { WebhookError } from "./errors.ts";
import { readAnswer } from "./read-answer.ts";
import type { Address } from "./services.ts";

export interface CallOptions {
  /** The time for the whole call, from the connection to the last byte of the answer. */
  readonly timeout_ms: number;
  /** Ends the call: the request that it is made for is over. */
  readonly signal?: AbortSignal | undefined;
}

/** A request to a server outside, whose answer may have so many bytes. */
export interface Outgoing {
  readonly agent: Agent;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Buffer;
  readonly bytes_max: number;
}

export interface WebhookAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** The statuses that Go's client takes for an answer. */
export const isSuccess = (status: number): boolean => status >= 200 && status <= 206;

/**
 * Sends a request over HTTPS; again if the server closed an idle connection while it was sent on
 * it. No redirect is followed; of an answer that is no success only a beginning is read. `failed`
 * makes the error out of what was thrown, and of why the call was ended from this side.
 */
export async function exchange(
  clock: Clock,
  options: CallOptions,
  outgoing: Outgoing,
  addressOf: () => Promise<Address>,
  failed: (thrown: unknown, ended: string | undefined) => WebhookError,
): Promise<WebhookAnswer> {
  const call = new Call(clock, options);
  try {
    return await attempts(call, async () => send(outgoing, await addressOf()));
  } catch (thrown) {
    throw failed(thrown, call.ended);
  } finally {
    call.close();
  }
}

type Sent = { readonly request: ClientRequest; readonly answer: Promise<WebhookAnswer> };

async function attempts(call: Call, begin: () => Promise<Sent>): Promise<WebhookAnswer> {
  const { request, answer } = call.attached(await begin());
  try {
    return await answer;
  } catch (thrown) {
    const isStale = request.reusedSocket && codeOf(thrown) === "ECONNRESET";
    if (!isStale || call.ended !== undefined) throw thrown;
    return await call.attached(await begin()).answer;
  }
}

function send(outgoing: Outgoing, { host, port }: Address): Sent {
  const { agent, method, path, headers, body, bytes_max } = outgoing;
  const length = body === undefined ? {} : { "content-length": body.length };
  const request = httpsRequest({
    agent,
    host,
    port,
    method,
    path,
    headers: { ...headers, ...length },
  });
  boundInterimAnswers(request);
  const answer = new Promise<WebhookAnswer>((resolve, reject) => {
    request.on("error", reject);
    request.on("upgrade", (_, socket) => {
      socket.on("error", () => undefined);
      socket.destroy();
      reject(new WebhookError("the server switched protocols"));
    });
    request.on("response", (response) => {
      const { statusCode: status = 0, headers: given } = response;
      readBounded(response, bytes_max).then(
        (bytes) => resolve({ status, headers: given, body: bytes }),
        reject,
      );
    });
    request.end(body);
  });
  return { request, answer };
}

async function readBounded(response: IncomingMessage, answer_max: number): Promise<Buffer> {
  const isRefusal = !isSuccess(response.statusCode ?? 0);
  const bytes_max = isRefusal ? WEBHOOK_REFUSAL_BYTES_MAX : answer_max;
  const { bytes, tooLong } = await readAnswer(response, bytes_max);
  if (tooLong !== undefined && !isRefusal) throw new WebhookError(tooLong);
  return bytes;
}

/** The time of one call, over all its attempts. */
class Call {
  /** Why the call was ended from this side, in the words of Go's contexts. */
  ended: string | undefined;
  #request: ClientRequest | undefined;
  readonly #close: () => void;

  constructor(clock: Clock, { timeout_ms, signal }: CallOptions) {
    const timer = clock.after(timeout_ms, () => this.#end("context deadline exceeded"));
    const onAbort = () => this.#end("context canceled");
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    this.#close = () => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
  }

  attached(sent: Sent): Sent {
    this.#request = sent.request;
    if (this.ended !== undefined) sent.request.destroy();
    return sent;
  }

  close(): void {
    this.#close();
  }

  #end(why: string): void {
    this.ended = why;
    this.#request?.destroy();
  }
}
