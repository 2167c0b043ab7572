import { RuntimeError } from "../errors.ts";

/** The bytes of a stream as a whole; resource-exhausted as soon as it is over the limit. */
export async function readBounded(
  stream: AsyncIterable<Buffer>,
  limit_bytes: number,
  what: string,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit_bytes) {
      throw new RuntimeError("resource-exhausted", `${what}: more than ${limit_bytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
