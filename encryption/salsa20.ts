/** The core of Salsa20, and XSalsa20 (D. J. Bernstein, "Extending the Salsa20 nonce"). */

const BLOCK_BYTES = 64;
/** "expand 32-byte k", as four little-endian words. */
const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** Word numbers of the quarter rounds: four columns, then four rows. */
const QUARTERS = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14],
] as const;

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Twenty rounds, in place. */
function rounds(x: Int32Array): void {
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of QUARTERS) {
      x[b]! ^= rotate((x[a]! + x[d]!) | 0, 7);
      x[c]! ^= rotate((x[b]! + x[a]!) | 0, 9);
      x[d]! ^= rotate((x[c]! + x[b]!) | 0, 13);
      x[a]! ^= rotate((x[d]! + x[c]!) | 0, 18);
    }
  }
}

/** The sixteen words of a key of 32 and an input of 16 bytes. */
function stateOf(key: Buffer, input: Buffer): Int32Array {
  const state = new Int32Array(16);
  for (let i = 0; i < 4; i++) {
    state[5 * i] = SIGMA[i]!;
    state[1 + i] = key.readInt32LE(4 * i);
    state[6 + i] = input.readInt32LE(4 * i);
    state[11 + i] = key.readInt32LE(16 + 4 * i);
  }
  return state;
}

/** HSalsa20: a key of its own for each nonce prefix. */
function subkey(key: Buffer, input: Buffer): Buffer {
  const x = stateOf(key, input);
  rounds(x);
  const out = Buffer.alloc(32);
  [0, 5, 10, 15, 6, 7, 8, 9].forEach((word, i) => out.writeInt32LE(x[word]!, 4 * i));
  return out;
}

/** The first `length` bytes of the key stream for a key of 32 and a nonce of 24 bytes. */
export function xsalsa20(key: Buffer, nonce: Buffer, length: number): Buffer {
  const own = subkey(key, nonce.subarray(0, 16));
  const input = Buffer.alloc(16);
  nonce.copy(input, 0, 16, 24);
  const stream = Buffer.alloc(Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES);
  for (let block = 0; block * BLOCK_BYTES < length; block++) {
    input.writeUInt32LE(block, 8);
    const start = stateOf(own, input);
    const x = Int32Array.from(start);
    rounds(x);
    for (let i = 0; i < 16; i++) {
      stream.writeInt32LE((x[i]! + start[i]!) | 0, block * BLOCK_BYTES + 4 * i);
    }
  }
  return stream.subarray(0, length);
}
