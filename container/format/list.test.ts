import { expect, test } from "vitest";
import { cell } from "./list.ts";

test("text of others begins no line in a list, and moves no cursor", () => {
  expect(cell("RUN a\nsha256:forged\tx\x1b[2J")).toBe("RUN a\\nsha256:forged\\tx\\x1b[2J");
});
