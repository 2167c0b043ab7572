import { Groups } from "@raft2kube/std/groups.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import {
  CACHE_BYTES_MAX,
  CACHE_BYTES_PER_CLIENT_MAX,
  CACHE_ENTRY_BYTES,
  CACHE_FAILURE_TTL_S,
  CACHE_TTL_S_MAX,
} from "../limits.ts";
import { RCODE } from "../wire/message.ts";
import { recordSpans, TYPE_OPT, TYPE_SOA } from "../wire/records.ts";

interface Entry {
  readonly client: string;
  /** A copy: a received one may be a part of a larger buffer. */
  readonly message: Buffer;
  readonly stored_ms: number;
  readonly ttl_s: number;
  readonly giveBack: () => void;
}

/**
 * Upstream answers, each until its shortest TTL or the limit expires. A client's new answers evict
 * its own oldest ones where its share is used up, and the oldest of all where the cache is full.
 */
export class AnswerCache {
  /** Entries by question, the oldest first. */
  readonly #entries = new Map<string, Entry>();
  /** The questions of each client that has entries. */
  readonly #asked = new Groups();
  readonly #shares = new Shares({
    all: CACHE_BYTES_MAX,
    each: CACHE_BYTES_PER_CLIENT_MAX,
    reserved: 0,
  });

  /** Returns the cached answer with its TTLs reduced by its age; undefined if it expired. */
  get(key: string, now_ms: number): Buffer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const age_s = Math.floor((now_ms - entry.stored_ms) / 1000);
    if (age_s >= entry.ttl_s || age_s < 0) {
      this.#delete(key);
      return undefined;
    }
    return reduceTtls(entry.message, age_s);
  }

  /** Keeps the answer to a question that a client, an address, asked. */
  put(key: string, answer: Buffer, now_ms: number, client: string): void {
    const ttl_s = timeToLive(answer);
    if (ttl_s <= 0) return;
    this.#delete(key);
    const bytes = key.length + answer.length + CACHE_ENTRY_BYTES;
    const owner = { name: client };
    for (const oldest of this.#asked.of(client)) {
      if (this.#shares.isWithinShare(owner, bytes)) break;
      this.#delete(oldest);
    }
    for (const oldest of this.#entries.keys()) {
      if (this.#shares.isLeft(owner, bytes)) break;
      this.#delete(oldest);
    }
    const message = Buffer.allocUnsafeSlow(answer.length);
    answer.copy(message);
    const giveBack = this.#shares.take(owner, bytes);
    this.#entries.set(key, { client, message, stored_ms: now_ms, ttl_s, giveBack });
    this.#asked.add(client, key);
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#asked.delete(entry.client, key);
    entry.giveBack();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of all entries, about. */
  get bytes(): number {
    return this.#shares.taken;
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
