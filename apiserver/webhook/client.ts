import { type Agent, request as httpsRequest } from "node:https";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Clock } from "@raft2kube/std/clock.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { goSyntaxError } from "@raft2kube/apimachinery/json/go-syntax.ts";
import type { Json } from "@raft2kube/apimachinery/json/json.ts";
import type { Random } from "@raft2kube/std/random.ts";
import { boundInterimAnswers } from "@raft2kube/streaming/interim.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import type { Resources } from "../resource/resources.ts";
import {
  WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_CALLS_MAX, WEBHOOK_CALLS_OF_SERVER_MAX,
  WEBHOOK_REFUSAL_BYTES_MAX,
} from "../limits.ts";
import { authorityOf, Connections, urlOf, type WebhookTarget } from "./connections.ts";
import { connectionError, statusError, WebhookError } from "./errors.ts";
import { readAnswer } from "./read-answer.ts";
import { type Address, ServiceEndpoints } from "./services.ts";

const MS_PER_S = 1_000;

export interface CallOptions {
  /** The time for the whole call, from the connection to the last byte of the answer. */
  readonly timeout_ms: number;
  /** Ends the call: the request that it is made for is over. */
  readonly signal?: AbortSignal | undefined;
}

interface WebhookAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * Calls HTTPS webhooks: POST of JSON, answered with JSON. No redirect is followed, nothing of a
 * client's credentials goes along, answers and the calls under way are bounded.
 */
export class WebhookClient {
  /** Kept connections, for other requests to such servers too. */
  readonly connections: Connections;
  readonly #clock: Clock;
  #underWay = 0;
  /** Calls under way to each server that has some. */
  readonly #ofServer = new Map<string, number>();

  constructor(connections: Connections, clock: Clock) {
    this.connections = connections;
    this.#clock = clock;
  }

  /**
   * Posts `body`, JSON, and returns the JSON of the answer. Throws WebhookError with a text that
   * completes "failed to call webhook: ", as upstream's client words it.
   */
  async post(target: WebhookTarget, body: Buffer, options: CallOptions): Promise<Json> {
    const agent = this.connections.agentOf(target);
    const timeout_s = Math.max(1, Math.ceil(options.timeout_ms / MS_PER_S));
    const authority = authorityOf(target);
    const path = `${urlOf(target).pathname}?timeout=${timeout_s}s`;
    const failed = (why: string, cause?: unknown) =>
      new WebhookError(`Post ${JSON.stringify(`https://${authority}${path}`)}: ${why}`, { cause });
    if (this.#underWay >= WEBHOOK_CALLS_MAX) {
      throw failed(`${WEBHOOK_CALLS_MAX} calls of webhooks are under way`);
    }
    const ofServer = this.#ofServer.get(authority) ?? 0;
    if (ofServer >= WEBHOOK_CALLS_OF_SERVER_MAX) {
      throw failed(`${WEBHOOK_CALLS_OF_SERVER_MAX} calls of this server's webhooks are under way`);
    }
    this.#count(authority, 1);
    const call = new Call(this.#clock, options);
    let answer: WebhookAnswer;
    try {
      answer = await attempts(call, async () =>
        post(agent, await this.connections.addressOf(target), authority, path, body));
    } catch (thrown) {
      throw failed(call.ended ?? reasonOf(thrown), thrown);
    } finally {
      call.close();
      this.#count(authority, -1);
    }
    const { status, body: bytes } = answer;
    if (!isSuccess(status)) {
      throw new WebhookError(statusError(status, bytes.toString("utf8").trim()), { http: status });
    }
    return parsed(bytes.toString("utf8"));
  }

  #count(authority: string, by: 1 | -1): void {
    this.#underWay += by;
    const ofServer = (this.#ofServer.get(authority) ?? 0) + by;
    if (ofServer === 0) this.#ofServer.delete(authority);
    else this.#ofServer.set(authority, ofServer);
  }
}

/** Returns a client that finds Services in `resources`. */
export function webhookClient(resources: Resources, random: Random, clock: Clock): WebhookClient {
  return new WebhookClient(new Connections(new ServiceEndpoints(resources, random)), clock);
}

interface Sent {
  readonly request: ClientRequest;
  readonly answer: Promise<WebhookAnswer>;
}

/** Sends a request; again if the server closed an idle connection while it was sent on it. */
async function attempts(call: Call, send: () => Promise<Sent>): Promise<WebhookAnswer> {
  const { request, answer } = call.attached(await send());
  try {
    return await answer;
  } catch (thrown) {
    const isStale = request.reusedSocket && codeOf(thrown) === "ECONNRESET";
    if (!isStale || call.ended !== undefined) throw thrown;
    return await call.attached(await send()).answer;
  }
}

function post(
  agent: Agent, { host, port }: Address, authority: string, path: string, body: Buffer,
): Sent {
  const request = httpsRequest({
    agent,
    host,
    port,
    method: "POST",
    path,
    headers: {
      host: authority,
      accept: "application/json, */*",
      "content-type": "application/json",
      "content-length": body.length,
      "user-agent": "kube-apiserver-admission",
    },
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
      readBounded(response).then((bytes) =>
        resolve({ status: response.statusCode ?? 0, body: bytes }), reject);
    });
    request.end(body);
  });
  return { request, answer };
}

/** The statuses that Go's client takes for an answer. */
const isSuccess = (status: number): boolean => status >= 200 && status <= 206;

/** Reads an answer; of one that is no success only a beginning, for its error. */
async function readBounded(response: IncomingMessage): Promise<Buffer> {
  const status = response.statusCode ?? 0;
  const isRefusal = !isSuccess(status);
  const bytes_max = isRefusal ? WEBHOOK_REFUSAL_BYTES_MAX : WEBHOOK_ANSWER_BYTES_MAX;
  const { bytes, tooLong } = await readAnswer(response, bytes_max);
  if (tooLong !== undefined && !isRefusal) throw new WebhookError(tooLong);
  return bytes;
}

function parsed(text: string): Json {
  try {
    return parseExact(text) as Json;
  } catch (thrown) {
    const why = goSyntaxError(text, thrown as SyntaxError);
    throw new WebhookError(`couldn't get version/kind; json parse error: ${why}`,
      { cause: thrown });
  }
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof WebhookError || thrown instanceof ApiError) return thrown.message;
  return connectionError(thrown);
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
