import { promisify } from "node:util";
import { constants, gzip as gzipCallback } from "node:zlib";
import { joinSliced } from "@raft2kube/apimachinery/encode/sliced.ts";
import { timeout } from "@raft2kube/apimachinery/errors/catalog.ts";
import { timed } from "@raft2kube/observe/timed.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import { ANSWER_SMALL_BYTES, ANSWER_STALL_MS, GZIP_BYTES_MIN } from "../../limits.ts";
import type { BytesAnswer } from "../../request/answer.ts";
import { headerOf, type RequestContext } from "../../request/context.ts";
import { piecesOf } from "./pieces.ts";
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

/** An answer whose body may be in parts, which are joined only while they are sent. */
export interface EncodedAnswer extends Omit<BytesAnswer, "type" | "body"> {
  readonly body: Buffer | string | readonly Buffer[];
}

/** Headers, compression and the body, whole; a HEAD gets the headers alone. */
export async function send(context: RequestContext, answer: EncodedAnswer): Promise<void> {
  const { request, response, warnings, signal } = context;
  const { code, contentType, body, encoding } = answer;
  let parts = typeof body === "string" ? [Buffer.from(body)] : [body].flat();
  let length = lengthOf(parts);
  const headers: Record<string, string | string[]> = {
    ...(contentType === undefined ? {} : { "content-type": contentType }),
    "cache-control": "no-cache, private",
    "audit-id": context.id,
    // A refusal quotes what clients sent: no browser may take it for a page.
    ...(code >= 400 ? { "x-content-type-options": "nosniff" } : {}),
    ...answer.headers,
  };
  if (warnings.length > 0) headers["warning"] = warningHeaders(warnings);
  if (encoding) headers["content-encoding"] = encoding;
  else if (length >= GZIP_BYTES_MIN && acceptsGzip(context)) {
    const whole = parts.length === 1 ? parts[0]! : await joinSliced(parts, "gzip: join");
    parts = [await gzip(whole, { level: constants.Z_BEST_SPEED })];
    length = lengthOf(parts);
    headers["content-encoding"] = "gzip";
    headers["vary"] = "Accept-Encoding";
  }
  headers["content-length"] = String(length);
  // After a timeout response there is no second one.
  if (signal.aborted || response.headersSent) return;
  context.answered?.();
  context.sent?.(length);
  response.writeHead(code, headers);
  if (request.method === "HEAD") return await ended(context, Buffer.alloc(0));
  if (length <= ANSWER_SMALL_BYTES) return await ended(context, Buffer.concat(parts));
  await sendPieces(context, length, parts);
}

const lengthOf = (parts: readonly Buffer[]): number =>
  parts.reduce((sum, part) => sum + part.length, 0);

/** Ends an answer with its last bytes, and waits until the client has taken them, or is gone. */
function ended(
  { response, signal }: RequestContext,
  bytes: Buffer,
  written?: () => void,
): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    // A stream that is reset, or was already, does not finish, and its request is not cancelled.
    response.once("close", () => resolve());
    response.end(bytes, () => {
      if (response.writableFinished) written?.();
      resolve();
    });
  });
}

/**
 * Sends a large answer in pieces, two at a time, so that TLS and HTTP/2 do not hold all of it
 * again, each in a turn of the event loop that has time for it. Throws 504 when the client takes no
 * piece for a while.
 */
async function sendPieces(
  context: RequestContext,
  length: number,
  parts: readonly Buffer[],
): Promise<void> {
  const { response, signal, info, after } = context;
  const { promise: late, reject } = Promise.withResolvers<never>();
  // The rejection may come before the first piece's turn, when no part waits for it.
  late.catch(() => undefined);
  const stalled = () => reject(timeout("the client does not read the answer"));
  let timer = after?.(ANSWER_STALL_MS, stalled);
  const gone = aborted(signal);
  const taken = async (piece: Promise<void>) => {
    await Promise.race([piece, gone, late]);
    timer?.cancel();
    timer = after?.(ANSWER_STALL_MS, stalled);
  };
  try {
    let before = Promise.resolve();
    let left = length;
    for (const { bytes, written } of piecesOf(parts)) {
      await nextTurn();
      if (signal.aborted) break;
      left -= bytes.length;
      const next = timed(`send: ${info.verb}`, () =>
        left === 0
          ? ended(context, bytes, written)
          : new Promise<void>(
              (resolve) =>
                void response.write(bytes, (failed) => {
                  if (!failed) written();
                  resolve();
                }),
            ),
      );
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
