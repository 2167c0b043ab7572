import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { goSyntaxError } from "@raft2kube/apimachinery/json/go-syntax.ts";
import type { Json } from "@raft2kube/apimachinery/json/json.ts";
import { activeSpan } from "@raft2kube/observe/trace/span.ts";
import { TRACEPARENT, traceparentOf } from "@raft2kube/observe/trace/traceparent.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import type { Random } from "@raft2kube/std/random.ts";
import {
  WEBHOOK_ANSWER_BYTES_MAX,
  WEBHOOK_CALLS_MAX,
  WEBHOOK_CALLS_OF_SERVER_MAX,
} from "../limits.ts";
import type { Resources } from "../resource/resources.ts";
import { authorityOf, Connections, urlOf, type WebhookTarget } from "./connections.ts";
import { connectionError, statusError, WebhookError } from "./errors.ts";
import { type CallOptions, exchange, isSuccess, type WebhookAnswer } from "./exchange.ts";
import { ServiceEndpoints } from "./services.ts";

const MS_PER_S = 1_000;

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
    const headers = {
      host: authority,
      accept: "application/json, */*",
      "content-type": "application/json",
      "user-agent": "kube-apiserver-admission",
      ...traceHeader(),
    };
    const bytes_max = WEBHOOK_ANSWER_BYTES_MAX;
    let answer: WebhookAnswer;
    try {
      answer = await exchange(
        this.#clock,
        options,
        { agent, method: "POST", path, headers, body, bytes_max },
        () => this.connections.addressOf(target),
        (thrown, ended) => failed(ended ?? reasonOf(thrown), thrown),
      );
    } finally {
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

/** The header by which the webhook can continue the request's trace, if it is traced. */
function traceHeader(): Record<string, string> {
  const span = activeSpan();
  return span ? { [TRACEPARENT]: traceparentOf(span) } : {};
}

function parsed(text: string): Json {
  try {
    return parseExact(text) as Json;
  } catch (thrown) {
    const why = goSyntaxError(text, thrown as SyntaxError);
    throw new WebhookError(`couldn't get version/kind; json parse error: ${why}`, {
      cause: thrown,
    });
  }
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof WebhookError || thrown instanceof ApiError) return thrown.message;
  return connectionError(thrown);
}
