import { join } from "node:path";
import { expect, it } from "vitest";
import { failureWithoutDescriptors } from "../../testing/few-descriptors.ts";

it("a program that gets no descriptors for its output is a failure of its call alone", () => {
  const module = join(import.meta.dirname, "bounded-program.ts");
  const failure = failureWithoutDescriptors(module, 'module.runBounded("/bin/true", [], 60_000)');
  expect(failure).toMatch(/^VolumeError: .*EMFILE$/);
});
