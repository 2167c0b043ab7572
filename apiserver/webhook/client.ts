import { goSyntaxError } from "@raft2kube/apimachinery/json/go-syntax.ts";
import type { Json } from "@raft2kube/apimachinery/json/json.ts";
import { TRACEPARENT, traceparentOf } from "@raft2kube/observe/trace/traceparent.ts";
import { activeSpan } from "@raft2kube/observe/trace/tracer.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import type { Random } from "@raft2kube/std/random.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import {
  WEBHOOK_ANSWER_BYTES_MAX,
  WEBHOOK_CALLS_MAX,
  WEBHOOK_CALLS_OF_SERVER_MAX,
} from "../limits.ts";
import type { Resources } from "../resource/resources.ts";
import { authorityOf, Connections, urlOf, type WebhookTarget } from "./connections.ts";
import { statusError, WebhookError } from "./errors.ts";
import { type CallOptions, callError, exchange, isSuccess } from "./exchange.ts";
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
  /** Calls under way, by the authority of the server. */
  readonly #calls = new Shares({
    all: WEBHOOK_CALLS_MAX,
    each: WEBHOOK_CALLS_OF_SERVER_MAX,
    reserved: 0,
  });

  constructor(connections: Connections, clock: Clock) {
    this.connections = connections;
    this.#clock = clock;
  }

  /**
   * Posts `body`, JSON, and returns the JSON of the answer. Throws WebhookError with a text that
   * completes "failed to call webhook: ", as upstream's client words it.
   */
  async post(target: WebhookTarget, body: Buffer, options: CallOptions): Promise<Json> {
    const timeout_s = Math.max(1, Math.ceil(options.timeout_ms / MS_PER_S));
    const server = { name: authorityOf(target) };
    const headers = {
      host: server.name,
      accept: "application/json, */*",
      "content-type": "application/json",
      "user-agent": "kube-apiserver-admission",
      ...traceHeader(),
    };
    const path = `${urlOf(target).pathname}?timeout=${timeout_s}s`;
    const bytes_max = WEBHOOK_ANSWER_BYTES_MAX;
    const outgoing = { method: "POST", path, headers, body, bytes_max } as const;
    if (!this.#calls.fits(server)) {
      const isOwn = !this.#calls.isWithinShare(server);
      const [most, whose] = isOwn
        ? [WEBHOOK_CALLS_OF_SERVER_MAX, "this server's webhooks"]
        : [WEBHOOK_CALLS_MAX, "webhooks"];
      throw callError(target, outgoing, `${most} calls of ${whose} are under way`);
    }
    const { status: http, body: bytes } = await this.#calls.during(server, () =>
      exchange(this.#clock, this.connections, target, outgoing, options),
    );
    const text = bytes.toString("utf8");
    if (isSuccess(http)) return parsed(text);
    throw new WebhookError(statusError(http, text.trim()), { http });
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
    const message = `couldn't get version/kind; json parse error: ${why}`;
    throw new WebhookError(message, { cause: thrown });
  }
}
