import { JSON_TYPE, OBJECT_TYPES } from "@raft2kube/apimachinery/decode/media-types.ts";
import {
  badRequest,
  bodyTooLarge,
  timeout,
  unsupportedMediaType,
} from "@raft2kube/apimachinery/errors/catalog.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { GrowingBytes } from "@raft2kube/std/growing-bytes.ts";
import { BODY_BYTES_MAX, REQUEST_BODY_TIMEOUT_MS } from "../limits.ts";
import { headerOf, type Incoming, type RequestContext } from "./context.ts";
import { parseMediaType } from "./media-type.ts";

type Received = Pick<RequestContext, "request" | "received" | "signal" | "holdBody">;

const bodies = new WeakMap<Incoming, Promise<Buffer>>();

/**
 * The whole body of a request, read once and known from then on. Throws 413 past BODY_BYTES_MAX
 * without reading further, 415 for a content encoding, 429 when bodies of its user have too many
 * bytes, 504 when the body does not arrive in time.
 */
export function readBody({ request, received, signal, holdBody }: Received): Promise<Buffer> {
  const known = bodies.get(request);
  if (known !== undefined) return known;
  const body = read(request, signal, holdBody);
  bodies.set(request, body);
  return received === undefined ? body : reported(body, received);
}

/** Returns a body's media type, JSON by default. Throws 415 for an invalid one. */
export function bodyTypeOf(request: Incoming): string {
  const header = headerOf(request, "content-type");
  if (header === "") return JSON_TYPE;
  const { type } = parseMediaType(header);
  if (type === "" || /;[^;=]+(;|$)/.test(header)) throw unsupportedMediaType(OBJECT_TYPES);
  return type;
}

/** Says what the body of a request is that was read elsewhere. */
export function giveBody(request: Incoming, body: Buffer): void {
  bodies.set(request, Promise.resolve(body));
}

async function reported(body: Promise<Buffer>, received: (bytes: number) => void): Promise<Buffer> {
  received((await body).length);
  return await body;
}

/** Ends with `signal`: after a timeout response the rest of the body is not needed. */
async function read(
  request: Incoming,
  signal: AbortSignal,
  hold: (bytes: number) => void = () => undefined,
): Promise<Buffer> {
  const encoding = headerOf(request, "content-encoding");
  if (encoding !== "" && encoding !== "identity") {
    throw unsupportedMediaType([`content-encoding identity, not ${encoding}`]);
  }
  if (Number(headerOf(request, "content-length")) > BODY_BYTES_MAX) {
    throw bodyTooLarge(BODY_BYTES_MAX);
  }
  return await new Promise<Buffer>((resolve, reject) => {
    const body = new GrowingBytes();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", broken);
    };
    /**
     * The rest is not read, and the received part is dropped, as long as the stream may stay open.
     */
    const fail = (error: Error) => {
      end();
      request.off("data", take).pause();
      body.take();
      reject(error);
    };
    const broken = () => fail(badRequest("the body of the request ended early"));
    const timer = setTimeout(
      () => fail(timeout("the body of the request did not arrive in time")),
      REQUEST_BODY_TIMEOUT_MS,
    );
    const take = (chunk: Buffer) => {
      try {
        if (body.length + chunk.length > BODY_BYTES_MAX) throw bodyTooLarge(BODY_BYTES_MAX);
        hold(chunk.length);
        body.append(chunk);
      } catch (thrown) {
        fail(asError(thrown));
      }
    };
    request.on("data", take);
    request.on("end", () => {
      end();
      resolve(body.take());
    });
    request.on("error", broken);
    request.on("aborted", broken);
    if (signal.aborted) broken();
    else signal.addEventListener("abort", broken, { once: true });
  });
}
