import { type Random, seededRandom } from "@raft2kube/std/random.ts";

/**
 * Each concern of a run draws from a stream of its own: leaving out a fault or a client, as the
 * shrinker does, leaves all others' draws as they were.
 */
export type Streams = (concern: string) => Random;

export function streamsOf(seed: number): Streams {
  return (concern) => seededRandom((Math.imul(seed, 0x9e3779b1) ^ fnv1a(concern)) >>> 0);
}

/** FNV-1a, 32 bits (RFC 9923). */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
