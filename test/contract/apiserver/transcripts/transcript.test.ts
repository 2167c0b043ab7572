import { expect, it } from "vitest";
import type { Exchange } from "./recorder.ts";
import { formatTranscripts, parseTranscripts, TranscriptError } from "./transcript.ts";

const usual = { "content-type": "application/json", "cache-control": "no-cache, private" };
const exchanges: Exchange[] = [
  { ask: "GET pods", status: 200, headers: usual, body: ["a: b", "- c", "----", "\n\n"] },
  { ask: "POST pods", sent: { a: null, b: "x".repeat(200) }, status: 201, headers: usual },
  { ask: "GET /healthz", status: 200, headers: { "content-type": "text/plain" }, body: "ok" },
  { ask: "PUT a with text", sent: "----\n# x", status: 400, headers: { ...usual, allow: "GET" } },
];

it("a transcript is read as it was written", () => {
  const cases = new Map([["one: a", exchanges], ["two", exchanges.slice(1)]]);
  expect(parseTranscripts(formatTranscripts(cases))).toEqual(cases);
});

it("a request stands above its answer, with usual headers left out", () => {
  const text = formatTranscripts(new Map([["c", exchanges.slice(3)]]));
  expect(text).toBe('# c\n\nPUT a with text\n"----\\n# x"\n----\n400\nallow: GET\n');
});

it("a text that is no transcript is refused with its line", () => {
  expect(() => parseTranscripts("GET a\n----\n200\n")).toThrow(TranscriptError);
  expect(() => parseTranscripts("# c\n\nGET a\n")).toThrow(/line 3/);
});
