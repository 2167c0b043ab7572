import { expect, it } from "vitest";
import { compared, squeezed, walksOf } from "./walk.ts";

const DOCUMENT = `
\`\`\`console
$ r2k status
cluster ...: well
$ r2k long
first
...
last
\`\`\`
`;

it("reads a document's commands with their output", () => {
  expect(walksOf(DOCUMENT)).toEqual([
    { command: "r2k status", expected: ["cluster ...: well"] },
    { command: "r2k long", expected: ["first", "...", "last"] },
  ]);
});

it("replaces matching lines by the expected ones, and shows the others", () => {
  const [status, long] = walksOf(DOCUMENT).map(({ expected }) => expected);
  expect(compared("cluster   tour:  well\n", status!)).toEqual(status);
  expect(compared("cluster tour: ill\n", status!)).toEqual(["cluster tour: ill"]);
  expect(compared("first\na\nb\nlast\n", long!)).toEqual(long);
  expect(compared("first\nlast\n", long!)).toEqual(long);
  expect(compared("first\na\nlast\nmore\n", long!)).toEqual([...long!, "more"]);
  expect(compared("first\na\n", long!)).toEqual(["first", "..."]);
});

it("takes passed checks in any order, and shows one that is not expected", () => {
  const expected = ["lab", "✓ a", "✓ b", "2 of 2"];
  expect(compared("lab\n ✓ b\n ✓ a\n2 of 2\n", expected)).toEqual(expected);
  expect(compared("lab\n ✓ c\n ✓ a\n2 of 2\n", expected)).toEqual(["lab", "✓ a", "✓ c", "2 of 2"]);
});

it("leaves out that kubectl dropped the message that greets it, and nothing else", () => {
  const at = "E1122 04:45:11.075424   25174";
  const dropped = `${at} websocket.go:296] Unknown stream id 1, discarding message\n`;
  expect(compared(`${dropped}answer\n`, ["answer"])).toEqual(["answer"]);
  expect(compared(`answer\n${dropped}`, ["answer"])).toEqual(["answer"]);
  const lost = `${at} websocket.go:296] Lost`;
  expect(compared(`${lost}\nanswer\n`, ["answer"])).toEqual([squeezed(lost), "answer"]);
});
