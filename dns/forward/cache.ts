import { CACHE_ENTRIES_MAX, CACHE_FAILURE_TTL_S, CACHE_TTL_S_MAX } from "../limits.ts";
import { RCODE } from "../wire/message.ts";
import { recordSpans, TYPE_OPT, TYPE_SOA } from "../wire/records.ts";

interface Entry {
  message: Buffer;
  stored_ms: number;
  ttl_s: number;
}

/**
 * Upstream answers, each until its shortest TTL or the limit expires. The oldest is evicted first.
 */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();

  /** Returns the cached answer with its TTLs reduced by its age; undefined if it expired. */
  get(key: string, now_ms: number): Buffer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const age_s = Math.floor((now_ms - entry.stored_ms) / 1000);
    if (age_s >= entry.ttl_s || age_s < 0) {
      this.#entries.delete(key);
      return undefined;
    }
    return reduceTtls(entry.message, age_s);
  }

  put(key: string, message: Buffer, now_ms: number): void {
    const ttl_s = timeToLive(message);
    if (ttl_s <= 0) return;
    this.#entries.delete(key);
    this.#entries.set(key, { message, stored_ms: now_ms, ttl_s });
    if (this.#entries.size <= CACHE_ENTRIES_MAX) return;
    const oldest = this.#entries.keys().next().value;
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  get size(): number {
    return this.#entries.size;
  }
}

/** Returns the TTL of an answer: of its shortest record, or of a negative answer's SOA. */
export function timeToLive(message: Buffer): number {
  const rcode = message.readUInt8(3) & 0x0f;
  const truncated = (message.readUInt8(2) & 0x02) !== 0;
  if (truncated || (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN)) return 0;
  const spans = recordSpans(message).filter(({ type }) => type !== TYPE_OPT);
  const empty = message.readUInt16BE(6) === 0;
  if (empty) {
    const soa = spans.find(({ type }) => type === TYPE_SOA);
    if (!soa) return CACHE_FAILURE_TTL_S;
    const minimum = message.readUInt32BE(soa.end - 4);
    return Math.min(minimum, message.readUInt32BE(soa.fixed + 4), CACHE_TTL_S_MAX);
  }
  const times = spans.map(({ fixed }) => message.readUInt32BE(fixed + 4));
  return Math.min(CACHE_TTL_S_MAX, ...times);
}

/** Returns a copy whose TTLs are reduced by `age_s`. */
function reduceTtls(message: Buffer, age_s: number): Buffer {
  const copy = Buffer.from(message);
  for (const { fixed, type } of recordSpans(copy)) {
    if (type === TYPE_OPT) continue; // its TTL field contains flags
    copy.writeUInt32BE(Math.max(0, copy.readUInt32BE(fixed + 4) - age_s), fixed + 4);
  }
  return copy;
}
