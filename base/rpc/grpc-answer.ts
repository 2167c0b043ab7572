import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";
import type { RpcError } from "./error.ts";
import { ERROR_TEXT_BYTES_MAX } from "./limits.ts";

/** The head of every answer, and the trailers of one that succeeded. */
export const ANSWER_HEAD: readonly HeaderField[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
export const OK_TRAILERS: readonly HeaderField[] = [["grpc-status", "0"]];

/** Header for a client that sent a compressed message: which encodings are accepted. */
const ACCEPTED: HeaderField = ["grpc-accept-encoding", "identity"];

/** The trailers of a call that failed. */
export function errorTrailers({ status, message }: RpcError): HeaderField[] {
  const fields: HeaderField[] = [["grpc-status", String(status)]];
  if (message !== "") fields.push(["grpc-message", percentEncoded(message)]);
  return fields;
}

/** The only frame of a call that failed before its answer started. */
export function errorHead(error: RpcError): HeaderField[] {
  return [...ANSWER_HEAD, ACCEPTED, ...errorTrailers(error)];
}

/**
 * Printable ASCII as it is, all else as %XX of its UTF-8 bytes (PROTOCOL-HTTP2.md). A longer text
 * than ERROR_TEXT_BYTES_MAX is cut: it may quote what its client sent, and a client gives up a
 * connection whose trailers are too large for it.
 */
function percentEncoded(message: string): string {
  let text = "";
  for (const character of message) {
    const encoded = PLAIN.test(character) ? character : percentBytes(character);
    if (text.length + encoded.length > ERROR_TEXT_BYTES_MAX) return `${text}...`;
    text += encoded;
  }
  return text;
}

const PLAIN = /^[ -$&-~]$/;

function percentBytes(character: string): string {
  const hexes = [...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, "0"));
  return hexes.map((hex) => `%${hex.toUpperCase()}`).join("");
}
