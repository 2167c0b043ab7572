import { CACHE_ENTRIES_MAX, CACHE_FAILURE_TTL_S, CACHE_TTL_MAX_S } from "../limits.ts";
import { RCODE } from "../wire/message.ts";
import { recordSpans, TYPE_OPT, TYPE_SOA } from "../wire/records.ts";

interface Entry {
  message: Buffer;
  stored_ms: number;
  ttl_s: number;
}

/**
 * Answers of other servers, each for as long as its records may be kept, and never above the limit.
 */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();

  /** The answer kept under `key`, its times-to-live lowered by its age. */
  get(key: string, now_ms: number): Buffer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const age_s = Math.floor((now_ms - entry.stored_ms) / 1000);
    if (age_s >= entry.ttl_s || age_s < 0) {
      this.#entries.delete(key);
      return undefined;
    }
    return aged(entry.message, age_s);
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

/** How long an answer may be kept: its shortest record, or what its SOA says of refusals. */
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
    return Math.min(minimum, message.readUInt32BE(soa.fixed + 4), CACHE_TTL_MAX_S);
  }
  const times = spans.map(({ fixed }) => message.readUInt32BE(fixed + 4));
  return Math.min(CACHE_TTL_MAX_S, ...times);
}

function aged(message: Buffer, age_s: number): Buffer {
  const copy = Buffer.from(message);
  for (const { fixed, type } of recordSpans(copy)) {
    if (type === TYPE_OPT) continue; // its place holds flags, not a time
    copy.writeUInt32BE(Math.max(0, copy.readUInt32BE(fixed + 4) - age_s), fixed + 4);
  }
  return copy;
}
