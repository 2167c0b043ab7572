import { JSON_TYPE, OBJECT_TYPES } from "@raft2kube/apimachinery/decode/media-types.ts";
import {
  badRequest,
  bodyTooLarge,
  timeout,
  unsupportedMediaType,
} from "@raft2kube/apimachinery/errors/catalog.ts";
import { BODY_BYTES_MAX, REQUEST_BODY_TIMEOUT_MS } from "../limits.ts";
import { headerOf, type Incoming, type RequestContext } from "./context.ts";
import { parseMediaType } from "./media-type.ts";

const bodies = new WeakMap<Incoming, Promise<Buffer>>();

/**
 * The whole body of a request, read once and known from then on. Throws 413 past BODY_BYTES_MAX
 * without reading further, 415 for a content encoding, 504 when the body does not arrive in time.
 */
export function readBody(
  { request, received, signal }: Pick<RequestContext, "request" | "received" | "signal">,
): Promise<Buffer> {
  const known = bodies.get(request);
  if (known !== undefined) return known;
  const body = read(request, signal);
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
async function read(request: Incoming, signal: AbortSignal): Promise<Buffer> {
  const encoding = headerOf(request, "content-encoding");
  if (encoding !== "" && encoding !== "identity") {
    throw unsupportedMediaType([`content-encoding identity, not ${encoding}`]);
  }
  if (Number(headerOf(request, "content-length")) > BODY_BYTES_MAX) {
    throw bodyTooLarge(BODY_BYTES_MAX);
  }
  return await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(
      () => reject(timeout("the body of the request did not arrive in time")),
      REQUEST_BODY_TIMEOUT_MS,
    );
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > BODY_BYTES_MAX) {
        request.pause();
        clearTimeout(timer);
        reject(bodyTooLarge(BODY_BYTES_MAX));
      } else chunks.push(chunk);
    });
    request.on("end", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", broken);
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length));
    });
    const broken = () => {
      clearTimeout(timer);
      reject(badRequest("the body of the request ended early"));
    };
    request.on("error", broken);
    request.on("aborted", broken);
    if (signal.aborted) broken();
    else signal.addEventListener("abort", broken, { once: true });
  });
}
