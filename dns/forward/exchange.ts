import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { TCP_BYTES_MAX } from "../limits.ts";
import { questionsEnd } from "../wire/records.ts";
import type { Upstream } from "./upstreams.ts";

/** An upstream resolver did not answer: `ETIMEDOUT`, or `EUPSTREAM` with the cause. */
export class UpstreamError extends CodedError {}

export interface ExchangeLimits {
  readonly clock: Clock;
  readonly timeout_ms: number;
  /** Ends the exchange with its reason. */
  readonly signal: AbortSignal;
}

/**
 * Sends a query to an upstream resolver and resolves with its answer; a truncated one is requested
 * again over TCP. Each query has a random id and its own socket, so that answers cannot be forged
 * (RFC 5452).
 */
export async function exchange(
  query: Buffer,
  upstream: Upstream,
  limits: ExchangeLimits,
): Promise<Buffer> {
  const sent = Buffer.from(query);
  sent.writeUInt16BE(randomInt(0x10000), 0);
  const answer = await overUdp(sent, upstream, limits);
  const truncated = (answer.readUInt8(2) & 0x02) !== 0;
  limits.signal.throwIfAborted();
  return truncated ? overTcp(sent, upstream, limits) : answer;
}

/** Calls `fail` when the time is over or the signal comes. Returns how to prevent that. */
function failLater(
  address: string,
  { clock, timeout_ms, signal }: ExchangeLimits,
  fail: (reason: unknown) => void,
): () => void {
  const timer = clock.after(timeout_ms, () => fail(timedOut(address, timeout_ms)));
  const abort = () => fail(signal.reason);
  signal.addEventListener("abort", abort);
  return () => {
    timer.cancel();
    signal.removeEventListener("abort", abort);
  };
}

/** Whether a message answers this query: the same id and the same bytes of the question. */
function answers(message: Buffer, query: Buffer): boolean {
  if (message.length < 12 || (message.readUInt8(2) & 0x80) === 0) return false;
  if (message.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  const end = questionsEnd(query);
  return message.length >= end && message.compare(query, 12, end, 12, end) === 0;
}

function overUdp(
  query: Buffer,
  { address, port }: Upstream,
  limits: ExchangeLimits,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const end = (finish: () => void) => {
      prevent();
      socket.removeAllListeners();
      socket.on("error", () => undefined); // errors after the end are irrelevant
      socket.close();
      finish();
    };
    const prevent = failLater(address, limits, (reason) => end(() => reject(reason)));
    socket.on("message", (message) => {
      if (answers(message, query)) end(() => resolve(message));
    });
    socket.on("error", (thrown) => end(() => reject(failed(address, thrown.message, thrown))));
    socket.on("connect", () => socket.send(query));
    socket.connect(port, address);
  });
}

function overTcp(
  query: Buffer,
  { address, port }: Upstream,
  limits: ExchangeLimits,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address);
    // It holds the longest answer: one that comes byte by byte is copied once.
    const received = Buffer.alloc(2 + TCP_BYTES_MAX);
    let size = 0;
    const end = (finish: () => void) => {
      prevent();
      socket.destroy();
      finish();
    };
    const prevent = failLater(address, limits, (reason) => end(() => reject(reason)));
    socket.on("connect", () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on("data", (part) => {
      size += part.copy(received, size);
      if (size < 2 || size < 2 + received.readUInt16BE(0)) return;
      const message = received.subarray(2, 2 + received.readUInt16BE(0));
      if (answers(message, query)) end(() => resolve(message));
      else end(() => reject(failed(address, "its answer is for another question")));
    });
    socket.on("error", (thrown) => end(() => reject(failed(address, thrown.message, thrown))));
    socket.on("end", () => end(() => reject(failed(address, "connection closed"))));
  });
}

function timedOut(address: string, timeout_ms: number): UpstreamError {
  return new UpstreamError("ETIMEDOUT", `resolver ${address} did not answer in ${timeout_ms} ms`);
}

function failed(address: string, reason: string, cause?: Error): UpstreamError {
  return new UpstreamError("EUPSTREAM", `resolver ${address}: ${reason}`, { cause });
}
