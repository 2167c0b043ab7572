import type { Agent } from "node:https";
import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { goSyntaxError } from "@raft2kube/apimachinery/json/go-syntax.ts";
import type { Json } from "@raft2kube/apimachinery/json/json.ts";
import { TRACEPARENT, traceparentOf } from "@raft2kube/observe/trace/traceparent.ts";
import { activeSpan } from "@raft2kube/observe/trace/tracer.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import type { Random } from "@raft2kube/std/random.ts";
import { type Owner, Shares } from "@raft2kube/std/shares.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import {
  sharesOf,
  WEBHOOK_ANSWER_BYTES_MAX,
  WEBHOOK_ANSWERS_BYTES_MAX,
  WEBHOOK_CALLS_MAX,
  WEBHOOK_CALLS_OF_USER_MAX,
  WEBHOOK_CONNECTIONS_MAX,
} from "../limits.ts";
import type { Resources } from "../resource/resources.ts";
import { authorityOf, Connections, urlOf, type WebhookTarget } from "./connections.ts";
import { statusError, WebhookError } from "./errors.ts";
import { type CallOptions, exchange, isSuccess } from "./exchange.ts";
import { serviceEndpoints } from "./services.ts";

const MS_PER_S = 1_000;

/**
 * Calls HTTPS webhooks: POST of JSON, answered with JSON. No redirect is followed, nothing of a
 * client's credentials goes along, answers and the calls under way are bounded. Calls of one server
 * take turns of its connections, in rotation of the users that they are made for.
 */
export class WebhookClient {
  /** Kept connections, for other requests to such servers too. */
  readonly connections: Connections;
  readonly #clock: Clock;
  readonly #turns = new WeakMap<Agent, FairTurns>();
  /** Calls under way and waiting, by user. */
  readonly #calls = new Shares({
    all: WEBHOOK_CALLS_MAX,
    each: WEBHOOK_CALLS_OF_USER_MAX,
    reserved: 0,
  });
  /** Memory of their answers, by user. */
  readonly #answers = new Shares(sharesOf(WEBHOOK_ANSWERS_BYTES_MAX));

  constructor(connections: Connections, clock: Clock) {
    this.connections = connections;
    this.#clock = clock;
  }

  /**
   * Posts `body`, JSON, and returns the JSON of the answer. Throws WebhookError with a text that
   * completes "failed to call webhook: ", as upstream's client words it; ApiError (429) if `owner`
   * has too many calls, or long answers: no failure policy ignores that, or many requests would
   * pass the webhook. Conversions, whose results are kept for all, have their server as owner. The
   * call's time starts with its turn.
   */
  async post(
    target: WebhookTarget,
    body: Buffer,
    options: CallOptions,
    owner: Owner = { name: `conversions by ${authorityOf(target)}` },
  ): Promise<Json> {
    const timeout_s = Math.max(1, Math.ceil(options.timeout_ms / MS_PER_S));
    const span = activeSpan();
    const headers = {
      host: authorityOf(target),
      accept: "application/json, */*",
      "content-type": "application/json",
      "user-agent": "kube-apiserver-admission",
      // By which the webhook can continue the request's trace.
      ...(span && { [TRACEPARENT]: traceparentOf(span) }),
    };
    const path = `${urlOf(target).pathname}?timeout=${timeout_s}s`;
    const bytes_max = WEBHOOK_ANSWER_BYTES_MAX;
    const { values_max } = options;
    const { memory, hold } = memoryOf(this.#answers, owner);
    const outgoing = { method: "POST", path, headers, body, bytes_max, values_max, hold } as const;
    if (!this.#calls.fits(owner)) throw tooMany();
    const turns = this.#turnsOf(this.connections.agentOf(target));
    const call = () => exchange(this.#clock, this.connections, target, outgoing, options);
    try {
      const { status: http, body: bytes } = await this.#calls.during(owner, () =>
        turns.run(owner.name, call),
      );
      const text = bytes.toString("utf8");
      if (isSuccess(http)) return parsed(text);
      throw new WebhookError(statusError(http, text.trim()), { http });
    } catch (thrown) {
      throw memory.isShort ? tooMany() : thrown;
    } finally {
      memory.giveBack();
    }
  }

  #turnsOf(agent: Agent): FairTurns {
    const turns = this.#turns.get(agent) ?? new FairTurns(WEBHOOK_CONNECTIONS_MAX);
    this.#turns.set(agent, turns);
    return turns;
  }
}

/** The memory of one answer, until it is parsed: it is taken again as the answer grows. */
function memoryOf(answers: Shares, owner: Owner) {
  const memory = { isShort: false, giveBack: () => undefined as void };
  /** Takes so many bytes in the place of those before. Returns whether there are as many. */
  const hold = (bytes: number): boolean => {
    memory.giveBack();
    memory.isShort = !answers.fits(owner, bytes);
    if (!memory.isShort) memory.giveBack = answers.take(owner, bytes);
    return !memory.isShort;
  };
  return { memory, hold };
}

/** Returns a client that finds Services in `resources`. */
export function webhookClient(resources: Resources, random: Random, clock: Clock): WebhookClient {
  return new WebhookClient(new Connections(serviceEndpoints(resources, random)), clock);
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
