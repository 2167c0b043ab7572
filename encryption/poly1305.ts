const PRIME = (1n << 130n) - 5n;
/** Bits of the first half of the key that take part (RFC 8439, 2.5). */
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn;
const BLOCK_BYTES = 16;

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex") || "0"}`);
}

/** The tag of a message under a key of 32 bytes that is used once (RFC 8439, 2.5). */
export function poly1305(key: Buffer, message: Buffer): Buffer {
  const r = numberOf(key.subarray(0, 16)) & CLAMP;
  let sum = 0n;
  for (let at = 0; at < message.length; at += BLOCK_BYTES) {
    const block = message.subarray(at, at + BLOCK_BYTES);
    sum = ((sum + numberOf(block) + (1n << BigInt(8 * block.length))) * r) % PRIME;
  }
  const tag = (sum + numberOf(key.subarray(16))) & ((1n << 128n) - 1n);
  return Buffer.from(tag.toString(16).padStart(32, "0"), "hex").reverse();
}
