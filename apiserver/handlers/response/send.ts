import { promisify } from "node:util";
import { constants, gzip as gzipCallback } from "node:zlib";
import { timeout } from "@raft2kube/apimachinery/errors/catalog.ts";
import { timed } from "@raft2kube/observe/timed.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import {
  ANSWER_PART_BYTES, ANSWER_SMALL_BYTES, ANSWER_STALL_MS, GZIP_BYTES_MIN,
} from "../../limits.ts";
import type { BytesAnswer } from "../../request/answer.ts";
import { headerOf, type RequestContext } from "../../request/context.ts";
import { warningHeaders } from "./warnings.ts";

const gzip = promisify(gzipCallback);

/**
 * Waits until an answer is within the budget; returns how to give that back. undefined when its
 * user leaves too many answers unread: then the stream or connection is ended.
 */
export async function budgetFor(
  context: RequestContext,
  bytes: number,
): Promise<(() => void) | undefined> {
  if (context.budget === undefined) return () => undefined;
  const give = await context.budget(bytes);
  if (give !== undefined) return give;
  context.response.statusCode = 429;
  context.cut();
  return undefined;
}

/** Sends an answer that is counted only now that it is known. */
export async function sendBytes(
  context: RequestContext,
  answer: Omit<BytesAnswer, "type">,
): Promise<void> {
  const give = await budgetFor(context, answer.body.length);
  if (give === undefined) return;
  try {
    await send(context, answer);
  } finally {
    give();
  }
}

/** Headers, compression and the body, whole; a HEAD gets the headers alone. */
export async function send(
  context: RequestContext,
  answer: Omit<BytesAnswer, "type">,
): Promise<void> {
  const { request, response, warnings, signal } = context;
  const { code, contentType, body, encoding } = answer;
  let bytes = typeof body === "string" ? Buffer.from(body) : body;
  const headers: Record<string, string | string[]> = {
    ...(contentType === undefined ? {} : { "content-type": contentType }),
    "cache-control": "no-cache, private",
    "audit-id": context.id,
    ...answer.headers,
  };
  if (warnings.length > 0) headers["warning"] = warningHeaders(warnings);
  if (encoding) headers["content-encoding"] = encoding;
  else if (bytes.length >= GZIP_BYTES_MIN && acceptsGzip(context)) {
    bytes = await gzip(bytes, { level: constants.Z_BEST_SPEED });
    headers["content-encoding"] = "gzip";
    headers["vary"] = "Accept-Encoding";
  }
  headers["content-length"] = String(bytes.length);
  // After a timeout response there is no second one.
  if (signal.aborted || response.headersSent) return;
  context.answered?.();
  context.sent?.(bytes.length);
  response.writeHead(code, headers);
  if (request.method === "HEAD") return await ended(context, Buffer.alloc(0));
  if (bytes.length <= ANSWER_SMALL_BYTES) return await ended(context, bytes);
  await sendParts(context, bytes);
}

/** Ends an answer with its last bytes, and waits until the client has taken them, or is gone. */
function ended({ response, signal }: RequestContext, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    // A stream that is reset, or was already, does not finish, and its request is not cancelled.
    response.once("close", () => resolve());
    response.end(bytes, () => resolve());
  });
}

/**
 * Sends a large answer in parts, two at a time, so that TLS and HTTP/2 do not hold all of it again.
 * Throws 504 when the client takes no part for a while.
 */
async function sendParts(context: RequestContext, bytes: Buffer): Promise<void> {
  const { response, signal, info, after } = context;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const stalled = () => reject(timeout("the client does not read the answer"));
  let timer = after?.(ANSWER_STALL_MS, stalled);
  const gone = aborted(signal);
  const taken = async (part: Promise<void>) => {
    await Promise.race([part, gone, late]);
    timer?.cancel();
    timer = after?.(ANSWER_STALL_MS, stalled);
  };
  try {
    let before = Promise.resolve();
    for (let at = 0; at < bytes.length && !signal.aborted; at += ANSWER_PART_BYTES) {
      const part = bytes.subarray(at, at + ANSWER_PART_BYTES);
      const isLast = at + part.length === bytes.length;
      const next = timed(`send: ${info.verb}`, () => isLast
        ? ended(context, part)
        : new Promise<void>((resolve) => void response.write(part, () => resolve())));
      await taken(before);
      before = next;
    }
    await taken(before);
  } finally {
    timer?.cancel();
  }
}

/** Whether compressed bytes may be sent. */
export function acceptsGzip(context: RequestContext): boolean {
  return headerOf(context.request, "accept-encoding").includes("gzip");
}
