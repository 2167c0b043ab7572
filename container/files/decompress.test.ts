<<<<<<< HEAD
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
=======
import { join } from "node:path";
import { expect, it } from "vitest";
import { failureWithoutDescriptors } from "../../testing/few-descriptors.ts";

it("a program that cannot be started is named as the reason", () => {
  const call = `import("node:stream")
    .then(({ Readable }) => {
      const xz = Buffer.from("fd377a585a0000", "hex");
      return module.decompressed(Readable.from([xz], { objectMode: false }));
    })
    .then((plain) => plain.toArray())`;
  const module = join(import.meta.dirname, "decompress.ts");
  expect(failureWithoutDescriptors(module, call)).toContain("spawn xz EMFILE");
>>>>>>> 2791fbe72 (container/files: name the program that was not started)
});
