import type { IncomingMessage } from "node:http";
import { TextDecoder } from "node:util";
import { JsonError, fromJson, parseJson } from "@raft2kube/proto/json.ts";
import type { MessageType } from "@raft2kube/proto/codec.ts";
import { RpcError, Status } from "../error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import {
  GATEWAY_BODIES_BYTES_MAX,
  GATEWAY_BODY_TIMEOUT_MS,
  GATEWAY_JSON_GROWTH,
} from "../limits.ts";
import type { GatewayCall } from "./call.ts";
import { JsonSplitter } from "./json-splitter.ts";

/** Reads requests from the bodies of HTTP requests, within bounds over all of them. */
export class Bodies {
  readonly #messageBytes_max: number;
  readonly #clock: Clock;
  #bytes = 0;

  constructor(messageBytes_max: number, clock: Clock) {
    this.#messageBytes_max = messageBytes_max;
    this.#clock = clock;
  }

  /** Returns the only message in a body; an empty body is a message of defaults. */
  async message<Q>(type: MessageType<Q>, body: IncomingMessage, call: GatewayCall): Promise<Q> {
    const late = new RpcError(Status.DEADLINE_EXCEEDED, "the body was not complete in time");
    const timer = this.#clock.after(GATEWAY_BODY_TIMEOUT_MS, () => call.fail(late));
    const chunks: Buffer[] = [];
    let held = 0;
    let refusal: RpcError | undefined;
    try {
      for await (const chunk of chunksOf(body)) {
        // The rest of what is refused is read and dropped: its client must get to the answer.
        if (refusal) continue;
        held += chunk.length;
        this.#bytes += chunk.length;
        chunks.push(chunk);
        if (held > this.#messageBytes_max * GATEWAY_JSON_GROWTH) refusal = tooLarge();
        else if (this.#bytes > GATEWAY_BODIES_BYTES_MAX) refusal = tooMany();
        if (!refusal) continue;
        this.#bytes -= held;
        held = chunks.length = 0;
      }
    } finally {
      timer.cancel();
      this.#bytes -= held;
    }
    if (refusal) throw refusal;
    const text = decode(new TextDecoder("utf-8", { fatal: true }), Buffer.concat(chunks));
    const json = text.trim() === "" ? {} : (parseJson(text) ?? {});
    return this.#decode(type, json);
  }

  /** The messages in a body, each as soon as it is complete; ends with the body. */
  async *messages<Q>(type: MessageType<Q>, body: IncomingMessage): AsyncGenerator<Q> {
    const splitter = new JsonSplitter(this.#messageBytes_max * GATEWAY_JSON_GROWTH);
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let held = 0;
    try {
      for await (const chunk of chunksOf(body)) {
        for (const text of splitter.push(decode(decoder, chunk, true))) {
          yield this.#decode(type, parseJson(text));
        }
        const before = held;
        held = splitter.heldChars;
        this.#hold(held - before);
      }
      splitter.end();
    } finally {
      this.#bytes -= held;
    }
  }

  #hold(bytes: number): void {
    this.#bytes += bytes;
    if (bytes <= 0 || this.#bytes <= GATEWAY_BODIES_BYTES_MAX) return;
    throw tooMany();
  }

  #decode<Q>(type: MessageType<Q>, json: unknown): Q {
    const bytes = fromJson(type, json);
    if (bytes.length > this.#messageBytes_max) throw tooLarge();
    return type.decode(bytes);
  }
}

/** Leaves the connection open when its reader stops early, for the answer. */
function chunksOf(body: IncomingMessage): AsyncIterable<Buffer> {
  return body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

function decode(decoder: TextDecoder, bytes: Buffer, stream = false): string {
  try {
    return decoder.decode(bytes, { stream });
  } catch (thrown) {
    throw new JsonError("the body is not UTF-8", thrown);
  }
}

function tooLarge(): RpcError {
  return new RpcError(Status.RESOURCE_EXHAUSTED, "grpc: received message larger than max");
}

function tooMany(): RpcError {
  return new RpcError(Status.RESOURCE_EXHAUSTED, "grpc: too many unfinished requests");
}
