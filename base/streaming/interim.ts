import type { ClientRequest } from "node:http";
import { StreamingError } from "./errors.ts";
import { INTERIM_ANSWERS_MAX } from "./limits.ts";

/**
 * Ends a request with an error when its server sends more than INTERIM_ANSWERS_MAX interim answers
 * (1xx). There may be any number of them before the answer (RFC 9110, section 15.2), and Node reads
 * them as fast as they come, at the cost of the event loop.
 */
export function boundInterimAnswers(request: ClientRequest): void {
  let count = 0;
  request.on("information", () => {
    if (++count <= INTERIM_ANSWERS_MAX || request.destroyed) return;
    request.destroy(new StreamingError(`more than ${INTERIM_ANSWERS_MAX} interim answers (1xx)`));
  });
}

/**
 * Ends a request with an error when its server answers that it switches protocols (101), for which
 * Node emits neither a response nor an error if no one listens, nor does any time limit end the
 * request; and as `boundInterimAnswers` does. For requests that ask for no other protocol.
 */
export function requirePlainAnswer(request: ClientRequest): void {
  boundInterimAnswers(request);
  request.on("upgrade", (_, socket) => {
    socket.on("error", () => undefined).destroy();
    request.emit("error", new StreamingError("it switches protocols without being asked to"));
  });
}
