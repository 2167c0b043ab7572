import { expect, it } from "vitest";
import { objectionsTo } from "./comments.ts";
import { handWritten, type SourceFile } from "./sources.ts";
import { commentsOf } from "./syntax.ts";

it("comments name their subject, and have no retired word", () => {
  // This folder's comments quote what they forbid.
  const files = handWritten().filter(({ path }) => !path.startsWith("test/tidy/"));
  const found = files.flatMap((file) =>
    commentsOf(file).flatMap((comment) =>
      objectionsTo(comment).map((each) => `${file.path}:${comment.line}: ${each}`),
    ),
  );
  expect(found).toEqual([]);
});

it("no comment is wider than the formatter's lines, which leaves comments as they are", () => {
  const isWide = (line: string) => line.length > 100 && /^ *(\/?\*|\/\/) /.test(line);
  const found = handWritten().flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, at) => (isWide(line) ? [`${path}:${at + 1}`] : [])),
  );
  expect(found).toEqual([]);
});

const BAD = "the first sentence has no verb with its subject, and names nothing";

it.each([
  "Of the process that runs; of the configuration where none answers.",
  "By pod key.",
  "As Go prints it.",
  "Without its metadata.",
  "Its limits.",
  "Those that work.",
  "Has the library forget the ruleset.",
  "Undefined when there is none.",
  "Set once it was sent.",
  "Shared by all, under one identity.",
])("a doc comment must not start as %s", (text) => {
  expect(objectionsTo({ text, isDoc: true })).toEqual([BAD]);
});

it.each([
  "Returns the pods of a node, by name.",
  "Pods by key.",
  "The limits of the container.",
  "Called when the client has gone.",
  "In-tree volumes, which CSI drivers took over.",
  "Shared counters of a resource.",
  "Whether a pod may be deleted.",
  "`undefined` when there is none.",
])("a doc comment may start as %s", (text) => {
  expect(objectionsTo({ text, isDoc: true })).toEqual([]);
});

it("a line comment may be a fragment, without retired words", () => {
  const about = (text: string) => objectionsTo({ text, isDoc: false });
  expect(about("Before the lock is released.")).toEqual([]);
  expect(about("The kernel answers at once.")).toEqual([
    '"at once": write immediately, or concurrently',
  ]);
  expect(about("It is written. What follows is not.")).toEqual([
    "a sentence without a named subject",
  ]);
  expect(about("`begin` and `end` are tags.")).toEqual([]);
  expect(about("lab:03 begin campaign")).toEqual([]);
});

it("reads comments with their lines; line comments below each other are one", () => {
  const lines = [
    "/** A",
    " * b. */",
    "const a = 1; // c",
    "  // d",
    "  // e",
    "// lab:01 begin f",
    "// g",
    "const b = 'x // y';",
  ];
  const file: SourceFile = { path: "comments.in-memory.ts", text: lines.join("\n"), lines };
  expect(commentsOf(file)).toEqual([
    { line: 1, isDoc: true, text: "A b." },
    { line: 3, isDoc: false, text: "c" },
    { line: 4, isDoc: false, text: "d e" },
    { line: 6, isDoc: false, text: "lab:01 begin f" },
    { line: 7, isDoc: false, text: "g" },
  ]);
});
