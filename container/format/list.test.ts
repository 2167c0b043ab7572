import { expect, onTestFinished, test, vi } from "vitest";
import { cell, printList } from "./list.ts";

test("text of others begins no line in a list, and moves no cursor", () => {
  expect(cell("RUN a\nsha256:forged\tx\x1b[2J")).toBe("RUN a\\nsha256:forged\\tx\\x1b[2J");
});

test("a table's headings are its fields, or what the columns say", () => {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  onTestFinished(() => write.mockRestore());
  const line = { ID: "1", Name: "a", More: "b" };
  printList([line], "ID=THE ID, Name", {});
  printList([], "ID=THE ID, Name", {});
  printList([line], "ID=THE ID", { format: "table {{.ID}}\t{{.More}}" });
  printList([line], "ID", { quiet: true });
  const heading = "THE ID    NAME";
  expect(write.mock.calls.map(([text]) => String(text).trimEnd())).toEqual([
    ...[heading, "1         a", heading, "THE ID    MORE", "1         b", "1"],
  ]);
});
