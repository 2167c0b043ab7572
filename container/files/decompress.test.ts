import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import { decompressed } from "./decompress.ts";

const XZ = Buffer.from("fd377a585a000004", "hex");
const BZIP2 = Buffer.from("425a6839314159", "hex");

test.each([
  ["xz", XZ, "install xz-utils"],
  ["bzip2", BZIP2, "install bzip2"],
])("where %s is missing the error says what to install", async (_, first, remedy) => {
  vi.stubEnv("PATH", "/nowhere");
  const read = text(await decompressed(Readable.from([first])));
  await expect(read.finally(() => vi.unstubAllEnvs())).rejects.toMatchObject({
    code: "failed-precondition",
    remedy,
  });
});

test("a stream that its program cannot decompress is an error with its words", async () => {
  const read = text(await decompressed(Readable.from([XZ])));
  await expect(read).rejects.toMatchObject({
    code: "invalid-argument",
    message: expect.stringMatching(/not decompressed: xz: ./),
  });
});
