import type { IncomingMessage } from "node:http";
import { TextDecoder } from "node:util";
import type { MessageType } from "@raft2kube/proto/codec.ts";
import { fromJson, JsonError, parseJson } from "@raft2kube/proto/json.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { GrowingBytes } from "@raft2kube/std/growing-bytes.ts";
import { RpcError, Status } from "../error.ts";
import {
  GATEWAY_BODIES_BYTES_MAX,
  GATEWAY_BODY_TIMEOUT_MS,
  GATEWAY_INCOMPLETE_MAX,
  GATEWAY_JSON_GROWTH,
} from "../limits.ts";
import type { GatewayCall } from "./call.ts";
import { JsonSplitter } from "./json-splitter.ts";

/** Sums over all requests that are not complete. */
type Totals = { bytes: number; requests: number };

/** Reads requests from the bodies of HTTP requests, within bounds over all of them. */
export class Bodies {
  readonly #messageBytes_max: number;
  readonly #clock: Clock;
  readonly #totals: Totals = { bytes: 0, requests: 0 };

  constructor(messageBytes_max: number, clock: Clock) {
    this.#messageBytes_max = messageBytes_max;
    this.#clock = clock;
  }

  /** Returns the only message in a body; an empty body is a message of defaults. */
  async message<Q>(type: MessageType<Q>, body: IncomingMessage, call: GatewayCall): Promise<Q> {
    const whole = new GrowingBytes();
    const incomplete = new Incomplete(this.#totals, this.#clock, call);
    let refusal = incomplete.hold(0);
    try {
      for await (const chunk of chunksOf(body)) {
        // The rest of a refused body is read and dropped, so that its client reads the answer.
        if (refusal) continue;
        whole.append(chunk);
        refusal = incomplete.hold(whole.capacity);
        if (whole.length > this.#messageBytes_max * GATEWAY_JSON_GROWTH) refusal = tooLarge();
        if (!refusal) continue;
        whole.take();
        incomplete.drop();
      }
    } finally {
      incomplete.end();
    }
    if (refusal) throw refusal;
    const text = decode(whole.bytes);
    return this.#decode(type, text.trim() === "" ? {} : parseJson(text));
  }

  /** The messages in a body, each as soon as it is complete; ends with the body. */
  async *messages<Q>(
    type: MessageType<Q>,
    body: IncomingMessage,
    call: GatewayCall,
  ): AsyncGenerator<Q> {
    const splitter = new JsonSplitter(this.#messageBytes_max * GATEWAY_JSON_GROWTH);
    let incomplete: Incomplete | undefined;
    try {
      for await (const chunk of chunksOf(body)) {
        for (const bytes of splitter.push(chunk)) {
          incomplete = incomplete?.end();
          yield this.#decode(type, parseJson(decode(bytes)));
        }
        if (splitter.heldBytes === 0) continue;
        incomplete ??= new Incomplete(this.#totals, this.#clock, call);
        const refusal = incomplete.hold(splitter.heldBytes);
        if (refusal) throw refusal;
      }
      splitter.end();
    } finally {
      incomplete?.end();
    }
  }

  #decode<Q>(type: MessageType<Q>, json: unknown): Q {
    const bytes = fromJson(type, json);
    if (bytes.length > this.#messageBytes_max) throw tooLarge();
    return type.decode(bytes);
  }
}

/** A request that is not complete: its share of the totals, and its time, after which it fails. */
class Incomplete {
  readonly #totals: Totals;
  readonly #timer: Timer;
  #held = 0;
  #counts = true;

  constructor(totals: Totals, clock: Clock, call: GatewayCall) {
    this.#totals = totals;
    totals.requests++;
    const late = new RpcError(Status.DEADLINE_EXCEEDED, "the body was not complete in time");
    this.#timer = clock.after(GATEWAY_BODY_TIMEOUT_MS, () => call.fail(late));
  }

  /**
   * Sets the bytes that the body takes. Returns an error, and drops the body, if all bodies
   * together take too much.
   */
  hold(bytes: number): RpcError | undefined {
    this.#totals.bytes += bytes - this.#held;
    this.#held = bytes;
    const { bytes: all, requests } = this.#totals;
    if (all <= GATEWAY_BODIES_BYTES_MAX && requests <= GATEWAY_INCOMPLETE_MAX) return undefined;
    this.drop();
    return new RpcError(Status.RESOURCE_EXHAUSTED, "grpc: too many unfinished requests");
  }

  /** Releases the body's bytes; its deadline stays. */
  drop(): void {
    if (!this.#counts) return;
    this.#counts = false;
    this.#totals.bytes -= this.#held;
    this.#totals.requests--;
  }

  end(): undefined {
    this.#timer.cancel();
    this.drop();
  }
}

/** Leaves the connection open when its reader stops early, for the answer. */
function chunksOf(body: IncomingMessage): AsyncIterable<Buffer> {
  return body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function decode(bytes: Buffer): string {
  try {
    return UTF8.decode(bytes);
  } catch (thrown) {
    throw new JsonError("the body is not UTF-8", thrown);
  }
}

function tooLarge(): RpcError {
  return new RpcError(Status.RESOURCE_EXHAUSTED, "grpc: received message larger than max");
}
