import { expect, test } from "vitest";
import { svgDiagram, textDiagram } from "./diagram.ts";
import { Transcript } from "./transcript.ts";

function twoMessages(): Transcript {
  const transcript = new Transcript(true, () => 12.5);
  const reply = { index: 7, reject: false, hintIndex: 0, hintTerm: 0 } as const;
  transcript.arrived({ kind: "timeout-now", from: 1n, to: 3n, term: 2 }, 11);
  transcript.arrived({ kind: "append-reply", from: 2n, to: 1n, term: 2, ...reply }, 12);
  return transcript;
}

test("messages are arrows between the columns of their members", () => {
  expect(textDiagram(twoMessages(), 10)).toEqual([
    "           1             2             3             ",
    "     12.50 +---------------------------> timeout-now t2",
    "     12.50 <-------------+             | ok 7 t2",
  ]);
});

test("the drawing has a column for each member and an arrow for each message", () => {
  const svg = svgDiagram(twoMessages(), 10);
  expect(svg.match(/class="column"/g)).toHaveLength(3);
  expect(svg.match(/marker-end/g)).toHaveLength(2);
});

test("a transcript that is not wanted keeps nothing", () => {
  const transcript = new Transcript(false, () => 0);
  transcript.record(1n, () => "unheard");
  expect(transcript.print(10)).toEqual([]);
});
