import { expect, test } from "vitest";
import { cell, printable } from "./printable.ts";

test("text of others begins no line in a list, and moves no cursor", () => {
  expect(cell("RUN a\nsha256:forged\tx\x1b[2J")).toBe("RUN a\\nsha256:forged\\tx\\x1b[2J");
  expect(printable("a\n\tb\r")).toBe("a\n\tb\\x0d");
});
