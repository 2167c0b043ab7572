import { Http2Error } from "../frame.ts";

/**
 * Bits of each byte's code, as digits to base 32 (RFC 7541, appendix B). The code is canonical:
 * shorter codes first, among equals the smaller byte first, so that lengths are all it takes.
 */
const CODE_BITS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq";

/** The end-of-string symbol has 30 bits, all ones; up to 7 of them fill the last byte. */
const PADDING_BITS_MAX = 7;

/** A node's two children: another node, or a byte as its complement (~byte, always negative). */
type Node = [zero: number, one: number];

const NODES: readonly Node[] = buildTree();

function buildTree(): Node[] {
  const nodes: Node[] = [[0, 0]];
  const bits = [...CODE_BITS].map((digit) => Number.parseInt(digit, 32));
  const order = [...bits.keys()].sort((a, b) => bits[a]! - bits[b]! || a - b);
  let code = 0;
  let length = 0;
  for (const byte of order) {
    code *= 2 ** (bits[byte]! - length);
    length = bits[byte]!;
    insert(nodes, code, length, byte);
    code++;
  }
  return nodes;
}

function insert(nodes: Node[], code: number, length: number, byte: number): void {
  let at = 0;
  for (let bit = length - 1; bit >= 0; bit--) {
    const side = (code >>> bit) & 1;
    if (bit === 0) nodes[at]![side] = ~byte;
    else {
      if (nodes[at]![side] === 0) nodes[at]![side] = nodes.push([0, 0]) - 1;
      at = nodes[at]![side]!;
    }
  }
}

/** The bytes, in latin1, of a Huffman-coded string. */
export function decodeHuffman(source: Buffer, from: number, to: number): string {
  let text = "";
  let node = 0;
  /** Bits since the last whole symbol, and whether they are all ones. */
  let pending = 0;
  let ones = true;
  for (let at = from; at < to; at++) {
    const byte = source[at]!;
    for (let bit = 7; bit >= 0; bit--) {
      const side = (byte >>> bit) & 1;
      const next = NODES[node]![side]!;
      if (next < 0) {
        text += String.fromCharCode(~next);
        node = 0;
        pending = 0;
        ones = true;
        continue;
      }
      // Only the end-of-string symbol leads nowhere, and it must not come.
      if (next === 0) throw new Http2Error("COMPRESSION_ERROR", "an invalid Huffman code");
      node = next;
      pending++;
      ones &&= side === 1;
    }
  }
  if (pending <= PADDING_BITS_MAX && ones) return text;
  throw new Http2Error("COMPRESSION_ERROR", "a Huffman-coded string with wrong padding");
}
